#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "StepMemory.h"

namespace ScoreDynPlugin {

/// The last H frames of every replica, float32 nm, (B, H, N, 3) row-major with the newest frame last: the
/// layout in which a score program takes them, in the memory of that program. What is done to it takes as
/// many operations of that memory for a thousand replicas as for one.
class History {
public:
    History(std::shared_ptr<StepMemory> memory, int batch, int length, int numParticles)
        : memory_(std::move(memory)), batch_(batch), length_(length), frame_(size_t(numParticles) * 3) {
        memory_->reserve(data_, size());
    }

    const float* data() const { return data_.get(); }
    float* data() { return data_.get(); }
    size_t size() const { return size_t(batch_) * length_ * frame_; }
    /// Floats in one frame of one replica.
    size_t frameSize() const { return frame_; }

    /// Drop the oldest frame of every replica and append the frames (B, N, 3).
    void push(const float* frames) {
        // From the oldest on, so that each is read before it is written over.
        for (int i = 1; i < length_; ++i)
            memory_->copyRows(data() + i * frame_, length_ * frame_, frame_, batch_,
                              data() + (i - 1) * frame_, length_ * frame_);
        setNewest(frames);
    }

    /// Start again: every frame of a replica becomes the one given, as if the molecule had been at rest.
    void fill(const float* frames) {
        for (int i = 0; i < length_; ++i) push(frames);
    }

    /// Replace the newest frame of every replica.
    void setNewest(const float* frames) {
        memory_->copyRows(frames, frame_, frame_, batch_, data() + (length_ - 1) * frame_, length_ * frame_);
    }

private:
    std::shared_ptr<StepMemory> memory_;
    int batch_, length_;
    size_t frame_;
    StepBuffer data_;
};

}  // namespace ScoreDynPlugin
