#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "Recording.h"
#include "StepMemory.h"

namespace ScoreDynPlugin {

/// Does the same work again and again: operation by operation at first, and as a recording once there is one.
///
/// The first run is plain, because libraries set themselves up in it. The second is plain too; then the work
/// is recorded, and the recording is kept only if it gives what the plain run gave. Where work cannot be
/// recorded it stays plain, and says why in status().
class RecordedWork {
public:
    /// What the work reads; a recording is good for these alone.
    struct Arrays {
        int batch = 0;
        const float *noise = nullptr, *history = nullptr, *box = nullptr;
        bool operator==(const Arrays&) const = default;
    };
    using Work = std::function<void(const Arrays&)>;

    RecordedWork(std::shared_ptr<StepMemory> memory, Work work)
        : memory_(std::move(memory)), work_(std::move(work)) {}
    RecordedWork(const RecordedWork&) = delete;
    RecordedWork& operator=(const RecordedWork&) = delete;

    /// Do the work, which leaves `count` floats in `result`, nm.
    void run(const Arrays& arrays, float* result, size_t count);
    /// Other arrays of the work have moved: what was recorded is of no use any more.
    void forget();
    /// "plain", "recorded", or "plain: " and why it could not be recorded.
    const std::string& status() const { return status_; }

private:
    void record(float* result, size_t count);

    std::shared_ptr<StepMemory> memory_;
    Work work_;
    Arrays arrays_;
    std::unique_ptr<Recording> recording_;
    int plainRuns_ = 0;  // with these arrays
    bool refused_ = false;
    std::string status_ = "plain";
    std::vector<float> plain_, replayed_;
};

}  // namespace ScoreDynPlugin
