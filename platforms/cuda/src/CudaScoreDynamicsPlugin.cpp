#include "CommonScoreDynamicsKernelFactory.h"
#include "CudaBridge.h"
#include "GpuScoreDynamicsKernels.h"
#include "openmm/cuda/CudaArray.h"
#include "openmm/cuda/CudaContext.h"

namespace {

using namespace ScoreDynPlugin;
using Kernel = GpuIntegrateScoreDynamicsStepKernel<OpenMM::CudaContext, OpenMM::CudaArray, CudaBridge>;
using Factory = CommonScoreDynamicsKernelFactory<OpenMM::CudaPlatform, Kernel>;

}  // namespace

/// Called by OpenMM when it loads this library; registers no platform of its own.
extern "C" __attribute__((visibility("default"))) void registerPlatforms() {}

/// Called by OpenMM when it loads this library. The platform must have been loaded before.
extern "C" __attribute__((visibility("default"))) void registerKernelFactories() {
    Factory::registerFor("CUDA");
}
