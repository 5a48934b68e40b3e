#pragma once

#include <cuda.h>

#include <memory>

#include "Recording.h"

namespace ScoreDynPlugin {

/// What records torch's current stream of the device with this primary context; null if this torch has no
/// CUDA.
std::unique_ptr<Recorder> makeCudaRecorder(CUcontext primary);

}  // namespace ScoreDynPlugin
