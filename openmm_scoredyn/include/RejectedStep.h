#pragma once

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

/// A step that the model cannot make: the guard rejects the frame it starts from, or every draw that is
/// allowed. Nothing of the context has changed.
class RejectedStep : public OpenMM::OpenMMException {
public:
    using OpenMM::OpenMMException::OpenMMException;
};

}  // namespace ScoreDynPlugin
