#pragma once

#include <array>
#include <cstdint>

namespace ScoreDynPlugin {

/// Philox 4x32 with 10 rounds: four random words as a pure function of counter and key.
/// Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t first = uint64_t(0xD2511F53u) * counter[0];
        const uint64_t second = uint64_t(0xCD9E8D57u) * counter[2];
        counter = {uint32_t(second >> 32) ^ counter[1] ^ key[0], uint32_t(second),
                   uint32_t(first >> 32) ^ counter[3] ^ key[1], uint32_t(first)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter;
}

}  // namespace ScoreDynPlugin
