#pragma once

#include <hip/hip_runtime.h>

#include <memory>
#include <string>

#include "Recording.h"
#include "openmm/OpenMMException.h"
#include "openmm/hip/HipContext.h"

namespace ScoreDynPlugin {

/// Between OpenMM's stream and torch's on one device. HIP has one context a device, so that only the streams
/// have to wait for each other; the host goes on.
class HipBridge {
public:
    explicit HipBridge(OpenMM::HipContext& context) : context_(context) {
        require(hipEventCreateWithFlags(&done_, hipEventDisableTiming));
    }
    ~HipBridge() { static_cast<void>(hipEventDestroy(done_)); }
    HipBridge(const HipBridge&) = delete;
    HipBridge& operator=(const HipBridge&) = delete;

    std::shared_ptr<void> select() { return nullptr; }
    void* stream() const { return programStream_; }
    Recorder* recorder() const { return nullptr; }
    void programWaits() { wait(programStream_, context_.getCurrentStream()); }
    void contextWaits() { wait(context_.getCurrentStream(), programStream_); }

private:
    void wait(hipStream_t waiting, hipStream_t working) {
        require(hipEventRecord(done_, working));
        require(hipStreamWaitEvent(waiting, done_, 0));
    }
    static void require(hipError_t result) {
        if (result != hipSuccess)
            throw OpenMM::OpenMMException(std::string("HipBridge: an event failed: ") +
                                          hipGetErrorString(result) + "; check the driver of the GPU.");
    }

    OpenMM::HipContext& context_;
    hipStream_t programStream_ = nullptr;  // torch's default stream
    hipEvent_t done_ = nullptr;
};

}  // namespace ScoreDynPlugin
