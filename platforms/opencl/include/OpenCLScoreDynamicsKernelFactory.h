#pragma once

#include "openmm/KernelFactory.h"

namespace ScoreDynPlugin {

/// Creates the kernels of this plugin for the OpenCL platform. Arrays go to the program through host memory.
class OpenCLScoreDynamicsKernelFactory : public OpenMM::KernelFactory {
public:
    OpenMM::KernelImpl* createKernelImpl(std::string name, const OpenMM::Platform& platform,
                                         OpenMM::ContextImpl& context) const override;
};

}  // namespace ScoreDynPlugin
