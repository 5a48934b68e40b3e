#pragma once

#include "openmm/serialization/SerializationProxy.h"

namespace ScoreDynPlugin {

/// Writes a ScoreDynamicsIntegrator to XML and reads it back. The model is stored by absolute path and
/// SHA-256, and a file with another sum is refused; or, on request, embedded.
class ScoreDynamicsIntegratorProxy : public OpenMM::SerializationProxy {
public:
    ScoreDynamicsIntegratorProxy();
    void serialize(const void* object, OpenMM::SerializationNode& node) const override;
    void* deserialize(const OpenMM::SerializationNode& node) const override;
};

}  // namespace ScoreDynPlugin
