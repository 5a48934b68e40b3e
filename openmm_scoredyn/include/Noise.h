#pragma once

#include <cstddef>
#include <cstdint>

namespace ScoreDynPlugin {

/// Names one vector of normals. `resample` and `stage` share a word of the counter, so both are below 65536.
struct NoiseKey {
    uint32_t seed;
    uint32_t replica;
    uint64_t step;
    uint32_t resample;
    uint32_t stage;
};

constexpr uint32_t initialStage = 0;        ///< the latent at the largest noise level; solvers use 1, 2, ...
constexpr uint32_t velocityStage = 0xFFFF;  ///< velocities after a step

/// Fill `out` with standard normals. Element e is a function of the key and e alone, whatever `count` is.
/// Throws OpenMMException when resample or stage is too large: their noise would repeat.
void fillNormal(const NoiseKey& key, float* out, size_t count);

}  // namespace ScoreDynPlugin
