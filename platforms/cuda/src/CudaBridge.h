#pragma once

#include <cuda.h>

#include <memory>

#include "Recording.h"
#include "openmm/cuda/CudaContext.h"

namespace ScoreDynPlugin {

/// Between OpenMM's CUDA context, which it makes itself, and the device's primary one, in which torch works.
///
/// The two share memory but no stream, so each waits for the other's events; the host goes on. torch is given
/// a stream of its own, because its default one cannot be recorded. The next bridge on this device takes over
/// the stream of one that is gone: torch keeps tens of megabytes of workspace for every stream it ever saw.
class CudaBridge {
public:
    explicit CudaBridge(OpenMM::CudaContext& context);
    ~CudaBridge();
    CudaBridge(const CudaBridge&) = delete;
    CudaBridge& operator=(const CudaBridge&) = delete;

    /// Push the primary context; popped when the object is gone.
    std::shared_ptr<void> select();
    /// The stream torch is to work on, and what records it; null where torch has no CUDA graphs.
    void* stream() const { return program_.stream; }
    Recorder* recorder() const { return recorder_.get(); }
    /// What torch is given from now on waits for what the context was given so far, and the reverse. Called
    /// with OpenMM's context current.
    void programWaits();
    void contextWaits();

    /// A stream of torch's, and the primary context that it lives in.
    struct ProgramStream {
        CUcontext primary = nullptr;
        CUstream stream = nullptr;
    };

private:
    OpenMM::CudaContext& context_;
    ProgramStream program_;
    CUevent contextDone_ = nullptr, programDone_ = nullptr;
    std::unique_ptr<Recorder> recorder_;
};

}  // namespace ScoreDynPlugin
