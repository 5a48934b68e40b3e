#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace ScoreDynPlugin {

/// The last H frames of every replica, float32 nm, (B, H, N, 3) row-major with the newest frame last: the
/// layout in which a score program takes them.
class History {
public:
    History(int batch, int length, int numParticles)
        : batch_(batch), length_(length), frame_(size_t(numParticles) * 3), data_(batch * length * frame_) {}

    const float* data() const { return data_.data(); }
    float* data() { return data_.data(); }
    size_t size() const { return data_.size(); }
    /// Floats in one frame of one replica.
    size_t frameSize() const { return frame_; }

    /// Newest frame of one replica, (N, 3).
    const float* newest(int replica) const {
        return &data_[(size_t(replica) * length_ + length_ - 1) * frame_];
    }

    /// Drop the oldest frame of every replica and append the frames (B, N, 3).
    void push(const float* frames) {
        for (int replica = 0; replica < batch_; ++replica) {
            float* const begin = &data_[size_t(replica) * length_ * frame_];
            std::copy(begin + frame_, begin + length_ * frame_, begin);
            std::copy_n(frames + replica * frame_, frame_, begin + (length_ - 1) * frame_);
        }
    }

    /// Start anew: every frame of a replica becomes the one given, as if the molecule had been at rest.
    void fill(const float* frames) {
        for (int i = 0; i < length_; ++i) push(frames);
    }

private:
    int batch_, length_;
    size_t frame_;
    std::vector<float> data_;
};

}  // namespace ScoreDynPlugin
