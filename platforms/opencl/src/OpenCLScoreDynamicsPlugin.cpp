#include "CommonScoreDynamicsKernelFactory.h"
#include "CommonScoreDynamicsKernels.h"
#include "openmm/opencl/OpenCLContext.h"

namespace {

using namespace ScoreDynPlugin;
using Factory =
    CommonScoreDynamicsKernelFactory<OpenMM::OpenCLPlatform, CommonIntegrateScoreDynamicsStepKernel>;

}  // namespace

/// Called by OpenMM when it loads this library; registers no platform of its own.
extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

/// Called by OpenMM when it loads this library. The platform must have been loaded before.
extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    Factory::registerFor("OpenCL");
}
