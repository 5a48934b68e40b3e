#pragma once

#include "vectors.h"

namespace {
// xoshiro128+ (Blackman and Vigna, 2018) in each lane, seeded by splitmix64.
class Noise {
    U s[4];
    V spare = V{};
    bool has_spare = false;

    static uint64_t mix(uint64_t& state) {
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    U next() {
        U result = s[0] + s[3], t = s[1] << 9;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = (s[3] << 11) | (s[3] >> 21);
        return result;
    }
    V uniform() {  // above 0, at most 1
        return (__builtin_convertvector((I)(next() >> 8), V) + 1.0f) * 0x1p-24f;
    }

public:
    // That of a copy depends on the seed and its number alone.
    Noise(uint64_t seed, uint64_t first_copy) {
        for (int k = 0; k < W; k++) {
            uint64_t state = seed + (first_copy + k) * 0xd1342543de82ef95u;
            uint64_t a = mix(state), b = mix(state);
            s[0][k] = (uint32_t)a, s[1][k] = (uint32_t)(a >> 32);
            s[2][k] = (uint32_t)b, s[3][k] = (uint32_t)(b >> 32) | 1u;
        }
    }
    V normal() {
        if (has_spare) {
            has_spare = false;
            return spare;
        }
        V size = vsqrt(-2.0f * vlog(uniform())), turn = 6.2831853f * (uniform() - 0.5f);
        spare = size * vsin(turn);
        has_spare = true;
        return size * vcos(turn);
    }
};
}  // namespace
