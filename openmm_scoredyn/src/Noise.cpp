#include "Noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "Philox.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

/// Two independent normals from two random words (Box and Muller 1958), in double so that the tail
/// reaches 6.6.
void boxMuller(uint32_t first, uint32_t second, float* out) {
    const double uniform = (first + 0.5) * 0x1p-32;  // never 0, so the logarithm is finite
    const double radius = std::sqrt(-2.0 * std::log(uniform));
    const double angle = 2.0 * std::numbers::pi * (second + 0.5) * 0x1p-32;
    out[0] = static_cast<float>(radius * std::cos(angle));
    out[1] = static_cast<float>(radius * std::sin(angle));
}

}  // namespace

void fillNormal(const NoiseKey& key, float* out, size_t count) {
    if (key.resample > 0xFFFF || key.stage > 0xFFFF)
        throw OpenMM::OpenMMException(
            "Noise: expected resample and stage below 65536, found resample " + std::to_string(key.resample) +
            " and stage " + std::to_string(key.stage) + "; ask for fewer resamples or denoising steps.");
    const uint32_t place = key.resample << 16 | key.stage;
    for (size_t begin = 0; begin < count; begin += 4) {
        const auto block = static_cast<uint32_t>(begin / 4);
        const auto words =
            philox4x32({block, place, static_cast<uint32_t>(key.step), static_cast<uint32_t>(key.step >> 32)},
                       {key.seed, key.replica});
        float four[4];
        boxMuller(words[0], words[1], four);
        boxMuller(words[2], words[3], four + 2);
        std::copy_n(four, std::min<size_t>(4, count - begin), out + begin);
    }
}

}  // namespace ScoreDynPlugin
