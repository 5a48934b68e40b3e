#include "OpenCLScoreDynamicsKernelFactory.h"

#include "CommonScoreDynamicsKernels.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/opencl/OpenCLContext.h"

using OpenMM::OpenCLPlatform;
using OpenMM::Platform;

/// Called by OpenMM when it loads this library; registers no platform of its own.
extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

/// Called by OpenMM when it loads this library. The platform must have been loaded before.
extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); ++i) {
        Platform& platform = Platform::getPlatform(i);
        if (platform.getName() != "OpenCL") continue;
        platform.registerKernelFactory(ScoreDynPlugin::IntegrateScoreDynamicsStepKernel::Name(),
                                       new ScoreDynPlugin::OpenCLScoreDynamicsKernelFactory());
    }
}

namespace ScoreDynPlugin {

OpenMM::KernelImpl* OpenCLScoreDynamicsKernelFactory::createKernelImpl(std::string name,
                                                                       const Platform& platform,
                                                                       OpenMM::ContextImpl& context) const {
    auto& data = *static_cast<OpenCLPlatform::PlatformData*>(context.getPlatformData());
    // With several devices, the first is the one that integrates.
    if (name == IntegrateScoreDynamicsStepKernel::Name())
        return new CommonIntegrateScoreDynamicsStepKernel(name, platform, *data.contexts[0]);
    throw OpenMM::OpenMMException("OpenCLScoreDynamicsKernelFactory: there is no kernel of the name " + name +
                                  ".");
}

}  // namespace ScoreDynPlugin
