#include "CudaBridge.h"

#include <string>

#include "CudaRecorder.h"
#include "FreeList.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"

namespace ScoreDynPlugin {

namespace {

void require(CUresult result, const char* what) {
    if (result == CUDA_SUCCESS) return;
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    throw OpenMM::OpenMMException(std::string("CudaBridge: ") + what + " failed: " +
                                  (name ? name : "unknown error") + "; check the driver of the GPU.");
}

std::shared_ptr<void> makeCurrent(CUcontext primary) {
    require(cuCtxPushCurrent(primary), "selecting the primary context");
    return std::shared_ptr<void>(primary, [](void*) {
        CUcontext popped;
        cuCtxPopCurrent(&popped);
    });
}

/// The primary context is never released: its streams are used again.
CudaBridge::ProgramStream makeProgramStream(CUdevice device) {
    CudaBridge::ProgramStream made;
    require(cuDevicePrimaryCtxRetain(&made.primary, device), "retaining the primary context");
    const auto selected = makeCurrent(made.primary);
    require(cuStreamCreate(&made.stream, CU_STREAM_NON_BLOCKING), "creating a stream");
    return made;
}

/// Never destroyed, as the driver may be gone before the end of the process.
FreeList<CUdevice, CudaBridge::ProgramStream>& idleStreams() {
    static auto* const streams = new FreeList<CUdevice, CudaBridge::ProgramStream>;
    return *streams;
}

}  // namespace

CudaBridge::CudaBridge(OpenMM::CudaContext& context)
    : context_(context),
      program_(
          idleStreams().take(context.getDevice(), [&] { return makeProgramStream(context.getDevice()); })) {
    {
        const OpenMM::ContextSelector selector(context_);
        require(cuEventCreate(&contextDone_, CU_EVENT_DISABLE_TIMING), "creating an event");
    }
    const auto selected = select();
    require(cuEventCreate(&programDone_, CU_EVENT_DISABLE_TIMING), "creating an event");
    recorder_ = makeCudaRecorder(program_.primary);
}

CudaBridge::~CudaBridge() {
    // Nothing can be done about an error here, and after an earlier one every call may fail.
    if (cuCtxPushCurrent(program_.primary) != CUDA_SUCCESS) return;
    if (cuStreamSynchronize(program_.stream) == CUDA_SUCCESS)
        idleStreams().giveBack(context_.getDevice(), program_);
    if (contextDone_) cuEventDestroy(contextDone_);
    if (programDone_) cuEventDestroy(programDone_);
    CUcontext popped;
    cuCtxPopCurrent(&popped);
}

std::shared_ptr<void> CudaBridge::select() { return makeCurrent(program_.primary); }

void CudaBridge::programWaits() {
    require(cuEventRecord(contextDone_, context_.getCurrentStream()), "recording an event");
    const auto selected = select();
    require(cuStreamWaitEvent(program_.stream, contextDone_, 0), "waiting for an event");
}

void CudaBridge::contextWaits() {
    {
        const auto selected = select();
        require(cuEventRecord(programDone_, program_.stream), "recording an event");
    }
    require(cuStreamWaitEvent(context_.getCurrentStream(), programDone_, 0), "waiting for an event");
}

}  // namespace ScoreDynPlugin
