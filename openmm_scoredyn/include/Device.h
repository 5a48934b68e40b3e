#pragma once

namespace ScoreDynPlugin {

class Recorder;

/// Where the arrays of a program live: host memory, or a GPU. On a GPU everything is ordered by one stream; a
/// platform with streams of its own orders the two by events.
struct Device {
    enum class Kind { Host, Gpu };
    Kind kind = Kind::Host;
    int index = 0;  ///< number of the GPU, the same for OpenMM and torch
    void* stream =
        nullptr;  ///< the stream torch works on; its default one, which cannot be recorded, if null
    Recorder* recorder = nullptr;  ///< of that stream, if it can be recorded
};

}  // namespace ScoreDynPlugin
