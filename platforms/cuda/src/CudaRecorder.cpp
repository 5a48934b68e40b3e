#include "CudaRecorder.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <exception>

namespace ScoreDynPlugin {

namespace {

/// A CUDA graph with memory of its own, which torch's allocator gives to nobody else while it lives.
class CudaRecording : public Recording {
public:
    CudaRecording(CUcontext primary, const std::function<void()>& work)
        : primary_(primary), graph_(std::make_unique<at::cuda::CUDAGraph>()) {
        const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
        // What other threads do meanwhile on other streams is no concern of this one.
        graph_->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
        try {
            work();
            graph_->capture_end();
        } catch (...) {
            endBrokenCapture(pool);
            throw;
        }
    }
    ~CudaRecording() override {
        cuCtxPushCurrent(primary_);
        graph_.reset();
        CUcontext popped;
        cuCtxPopCurrent(&popped);
    }

    void replay() override { graph_->replay(); }

private:
    /// Stream and allocator must be given back whatever state the capture is in. Both calls throw when there
    /// is nothing left to end; the error that broke the capture is the one that counts.
    void endBrokenCapture(at::cuda::MempoolId_t pool) {
        try {
            graph_->capture_end();
        } catch (const std::exception&) {
        }
        try {
            c10::cuda::CUDACachingAllocator::endAllocateToPool(c10::cuda::current_device(), pool);
        } catch (const std::exception&) {
        }
    }

    CUcontext primary_;
    std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

class CudaRecorder : public Recorder {
public:
    explicit CudaRecorder(CUcontext primary) : primary_(primary) {}
    std::unique_ptr<Recording> record(const std::function<void()>& work) override {
        return std::make_unique<CudaRecording>(primary_, work);
    }

private:
    CUcontext primary_;
};

}  // namespace

std::unique_ptr<Recorder> makeCudaRecorder(CUcontext primary) {
    return std::make_unique<CudaRecorder>(primary);
}

}  // namespace ScoreDynPlugin
