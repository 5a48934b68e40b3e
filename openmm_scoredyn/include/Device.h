#pragma once

namespace ScoreDynPlugin {

/// Where the arrays of a program live: host memory, or a GPU. On a GPU everything is ordered by torch's
/// default stream of it; a platform with streams of its own orders the two by events.
struct Device {
    enum class Kind { Host, Gpu };
    Kind kind = Kind::Host;
    int index = 0;  ///< number of the GPU, the same for OpenMM and torch
};

}  // namespace ScoreDynPlugin
