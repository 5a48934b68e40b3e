#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "StepMemory.h"

namespace ScoreDynPlugin {

/// The last H frames of every replica, float32 nm, (B, H, N, 3) row-major with the newest frame last: the
/// layout in which a score program takes them, in the memory of that program.
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
        for (int replica = 0; replica < batch_; ++replica) {
            float* frame = data() + size_t(replica) * length_ * frame_;
            for (int i = 1; i < length_; ++i, frame += frame_) memory_->copy(frame + frame_, frame_, frame);
            memory_->copy(frames + replica * frame_, frame_, frame);
        }
    }

    /// Start anew: every frame of a replica becomes the one given, as if the molecule had been at rest.
    void fill(const float* frames) {
        for (int i = 0; i < length_; ++i) push(frames);
    }

    /// Replace the newest frame of every replica.
    void setNewest(const float* frames) {
        for (int replica = 0; replica < batch_; ++replica)
            memory_->copy(frames + replica * frame_, frame_,
                          data() + (size_t(replica + 1) * length_ - 1) * frame_);
    }

private:
    std::shared_ptr<StepMemory> memory_;
    int batch_, length_;
    size_t frame_;
    StepBuffer data_;
};

}  // namespace ScoreDynPlugin
