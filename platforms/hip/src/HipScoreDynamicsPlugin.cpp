#include "CommonScoreDynamicsKernelFactory.h"
#include "GpuScoreDynamicsKernels.h"
#include "HipBridge.h"
#include "openmm/hip/HipArray.h"
#include "openmm/hip/HipContext.h"

namespace {

using namespace ScoreDynPlugin;
using Kernel = GpuIntegrateScoreDynamicsStepKernel<OpenMM::HipContext, OpenMM::HipArray, HipBridge>;
using Factory = CommonScoreDynamicsKernelFactory<OpenMM::HipPlatform, Kernel>;

}  // namespace

/// Called by OpenMM when it loads this library; registers no platform of its own.
extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

/// Called by OpenMM when it loads this library. The platform must have been loaded before.
extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    Factory::registerFor("HIP");
}
