#include "CudaBridge.h"

#include <string>

#include "CudaRecorder.h"
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

}  // namespace

CudaBridge::CudaBridge(OpenMM::CudaContext& context) : context_(context) {
    require(cuDevicePrimaryCtxRetain(&primary_, context.getDevice()), "retaining the primary context");
    {
        const OpenMM::ContextSelector selector(context_);
        require(cuEventCreate(&contextDone_, CU_EVENT_DISABLE_TIMING), "creating an event");
    }
    const auto selected = select();
    require(cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING), "creating a stream");
    require(cuEventCreate(&programDone_, CU_EVENT_DISABLE_TIMING), "creating an event");
    recorder_ = makeCudaRecorder(primary_);
}

CudaBridge::~CudaBridge() {
    // Nothing can be done about an error here, and after an earlier one every call may fail.
    if (cuCtxPushCurrent(primary_) == CUDA_SUCCESS) {
        if (stream_) {
            cuStreamSynchronize(stream_);
            cuStreamDestroy(stream_);
        }
        if (contextDone_) cuEventDestroy(contextDone_);
        if (programDone_) cuEventDestroy(programDone_);
        CUcontext popped;
        cuCtxPopCurrent(&popped);
    }
    if (primary_) cuDevicePrimaryCtxRelease(context_.getDevice());
}

std::shared_ptr<void> CudaBridge::select() {
    require(cuCtxPushCurrent(primary_), "selecting the primary context");
    return std::shared_ptr<void>(primary_, [](void*) {
        CUcontext popped;
        cuCtxPopCurrent(&popped);
    });
}

void CudaBridge::programWaits() {
    require(cuEventRecord(contextDone_, context_.getCurrentStream()), "recording an event");
    const auto selected = select();
    require(cuStreamWaitEvent(stream_, contextDone_, 0), "waiting for an event");
}

void CudaBridge::contextWaits() {
    {
        const auto selected = select();
        require(cuEventRecord(programDone_, stream_), "recording an event");
    }
    require(cuStreamWaitEvent(context_.getCurrentStream(), programDone_, 0), "waiting for an event");
}

}  // namespace ScoreDynPlugin
