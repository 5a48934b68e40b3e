#include "CudaRecorder.h"

namespace ScoreDynPlugin {

std::unique_ptr<Recorder> makeCudaRecorder(CUcontext) { return nullptr; }

}  // namespace ScoreDynPlugin
