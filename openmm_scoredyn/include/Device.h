#pragma once

namespace ScoreDynPlugin {

/// Where the arrays of a step live: host memory, or a GPU that OpenMM and torch share.
struct Device {
    enum class Kind { Host, Gpu };
    Kind kind = Kind::Host;
    int index = 0;  ///< number of the GPU, the same for OpenMM and torch
    void* stream =
        nullptr;  ///< OpenMM's stream on it (CUstream, hipStream_t): the order of all work of a step
};

}  // namespace ScoreDynPlugin
