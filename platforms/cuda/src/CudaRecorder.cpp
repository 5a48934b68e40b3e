#include "CudaRecorder.h"

#include <ATen/Functions.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <exception>

namespace ScoreDynPlugin {

namespace {

using at::cuda::MempoolId_t;

struct Graph : at::cuda::CUDAGraph {
    void begin(MempoolId_t pool) {
        // What other threads do meanwhile on other streams is no concern of this one.
        capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    }
    bool ended() const { return capture_ended_; }
};

/// Do what may throw because there is nothing left to do.
template <typename Action>
void attempt(const Action& action) {
    try {
        action();
    } catch (const std::exception&) {
    }
}

/// After a capture that broke, give stream, allocators and random numbers back: where the driver refuses the
/// capture, torch's own end of it stops half-way.
void cleanUp(Graph& graph, MempoolId_t pool) {
    attempt([&] { graph.capture_end(); });
    if (graph.ended()) return;
    const c10::DeviceIndex device = c10::cuda::current_device();
    at::HostAllocator* const host = at::getHostAllocator(at::kCUDA);
    attempt([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device, pool); });
    attempt([&] { c10::cuda::CUDACachingAllocator::releasePool(device, pool); });
    attempt([&] { host->end_allocate_to_pool(pool); });
    attempt([&] { host->release_pool(pool); });
    // The default generator believes that it is being captured until a capture ends as it should.
    attempt([&] {
        Graph whole;
        whole.begin(at::cuda::graph_pool_handle());
        const at::Tensor something = at::zeros({1}, at::TensorOptions(at::kCUDA));
        whole.capture_end();
    });
}

/// A CUDA graph with memory of its own, which torch's allocator gives to nobody else while it lives.
class CudaRecording : public Recording {
public:
    CudaRecording(CUcontext primary, const std::function<void()>& work)
        : primary_(primary), graph_(std::make_unique<Graph>()) {
        const MempoolId_t pool = at::cuda::graph_pool_handle();
        try {
            graph_->begin(pool);
            work();
            graph_->capture_end();
        } catch (...) {
            cleanUp(*graph_, pool);
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
    CUcontext primary_;
    std::unique_ptr<Graph> graph_;
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
