#pragma once

#include <string>

#include "ScoreDynamicsKernels.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"
#include "openmm/internal/ContextImpl.h"

namespace ScoreDynPlugin {

/// Creates the kernels of this plugin for a platform with a ComputeContext.
template <typename ComputePlatform, typename StepKernel>
class CommonScoreDynamicsKernelFactory : public OpenMM::KernelFactory {
public:
    OpenMM::KernelImpl* createKernelImpl(std::string name, const OpenMM::Platform& platform,
                                         OpenMM::ContextImpl& context) const override {
        auto& data = *static_cast<typename ComputePlatform::PlatformData*>(context.getPlatformData());
        // With several devices, the first is the one that integrates.
        if (name == IntegrateScoreDynamicsStepKernel::Name())
            return new StepKernel(name, platform, *data.contexts[0]);
        throw OpenMM::OpenMMException("CommonScoreDynamicsKernelFactory: there is no kernel of the name " +
                                      name + ".");
    }

    /// For registerKernelFactories: extend the platform of this name, if it was loaded.
    static void registerFor(const std::string& platformName) {
        for (int i = 0; i < OpenMM::Platform::getNumPlatforms(); ++i) {
            OpenMM::Platform& platform = OpenMM::Platform::getPlatform(i);
            if (platform.getName() != platformName) continue;
            platform.registerKernelFactory(IntegrateScoreDynamicsStepKernel::Name(),
                                           new CommonScoreDynamicsKernelFactory());
        }
    }
};

}  // namespace ScoreDynPlugin
