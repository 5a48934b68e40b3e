#pragma once

#include "openmm/KernelFactory.h"

namespace ScoreDynPlugin {

/// Creates the kernels of this plugin for the Reference and CPU platforms.
class ReferenceScoreDynamicsKernelFactory : public OpenMM::KernelFactory {
public:
    OpenMM::KernelImpl* createKernelImpl(std::string name, const OpenMM::Platform& platform,
                                         OpenMM::ContextImpl& context) const override;
};

}  // namespace ScoreDynPlugin
