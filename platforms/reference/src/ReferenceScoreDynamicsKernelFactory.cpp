#include "ReferenceScoreDynamicsKernelFactory.h"

#include "ReferenceScoreDynamicsKernels.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"
#include "openmm/internal/ContextImpl.h"

using OpenMM::Platform;
using OpenMM::ReferencePlatform;

/// Called by OpenMM when it loads this library; registers no platform of its own.
extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

/// Called by OpenMM when it loads this library. The platforms must have been loaded before.
extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); ++i) {
        Platform& platform = Platform::getPlatform(i);
        // The CPU platform derives from Reference and keeps its positions in the same place.
        if (dynamic_cast<ReferencePlatform*>(&platform) == nullptr) continue;
        platform.registerKernelFactory(ScoreDynPlugin::IntegrateScoreDynamicsStepKernel::Name(),
                                       new ScoreDynPlugin::ReferenceScoreDynamicsKernelFactory());
    }
}

namespace ScoreDynPlugin {

OpenMM::KernelImpl* ReferenceScoreDynamicsKernelFactory::createKernelImpl(
    std::string name, const Platform& platform, OpenMM::ContextImpl& context) const {
    auto& data = *static_cast<ReferencePlatform::PlatformData*>(context.getPlatformData());
    if (name == IntegrateScoreDynamicsStepKernel::Name())
        return new ReferenceIntegrateScoreDynamicsStepKernel(name, platform, data);
    throw OpenMM::OpenMMException("ReferenceScoreDynamicsKernelFactory: there is no kernel of the name " +
                                  name + ".");
}

}  // namespace ScoreDynPlugin
