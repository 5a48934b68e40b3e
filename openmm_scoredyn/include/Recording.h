#pragma once

#include <functional>
#include <memory>

namespace ScoreDynPlugin {

/// Work that a device was told once and is told to do again as a whole: a CUDA graph. It reads and writes the
/// arrays that it was recorded with, where they were.
class Recording {
public:
    virtual ~Recording() = default;
    /// Queue the work, with whatever the arrays hold now.
    virtual void replay() = 0;
};

/// Records what torch gives to a device. A platform that can do so hands one over with its device.
class Recorder {
public:
    virtual ~Recorder() = default;
    /// Call `work` and record what it queues, which is not done. Throws when `work` does, or when it asks for
    /// something that cannot be recorded, as a size that depends on values.
    virtual std::unique_ptr<Recording> record(const std::function<void()>& work) = 0;
};

}  // namespace ScoreDynPlugin
