#pragma once

// Vectors of one number for each copy: 16 with AVX-512, 8 with AVX2. Functions of them are those of glibc's
// libmvec.

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#if defined(__AVX512F__)
extern "C" {
__m512 _ZGVeN16v_logf(__m512);
__m512 _ZGVeN16v_expf(__m512);
__m512 _ZGVeN16v_cosf(__m512);
__m512 _ZGVeN16v_sinf(__m512);
}
namespace {
constexpr int W = 16;
typedef float V __attribute__((vector_size(64)));
typedef int32_t I __attribute__((vector_size(64)));
typedef uint32_t U __attribute__((vector_size(64)));
inline V vlog(V x) { return (V)_ZGVeN16v_logf((__m512)x); }
inline V vexp(V x) { return (V)_ZGVeN16v_expf((__m512)x); }
inline V vcos(V x) { return (V)_ZGVeN16v_cosf((__m512)x); }
inline V vsin(V x) { return (V)_ZGVeN16v_sinf((__m512)x); }
inline V vsqrt(V x) { return (V)_mm512_sqrt_ps((__m512)x); }
inline V rough_rsqrt(V x) { return (V)_mm512_rsqrt14_ps((__m512)x); }
#elif defined(__AVX2__) && defined(__FMA__)
extern "C" {
__m256 _ZGVdN8v_logf(__m256);
__m256 _ZGVdN8v_expf(__m256);
__m256 _ZGVdN8v_cosf(__m256);
__m256 _ZGVdN8v_sinf(__m256);
}
namespace {
constexpr int W = 8;
typedef float V __attribute__((vector_size(32)));
typedef int32_t I __attribute__((vector_size(32)));
typedef uint32_t U __attribute__((vector_size(32)));
inline V vlog(V x) { return (V)_ZGVdN8v_logf((__m256)x); }
inline V vexp(V x) { return (V)_ZGVdN8v_expf((__m256)x); }
inline V vcos(V x) { return (V)_ZGVdN8v_cosf((__m256)x); }
inline V vsin(V x) { return (V)_ZGVdN8v_sinf((__m256)x); }
inline V vsqrt(V x) { return (V)_mm256_sqrt_ps((__m256)x); }
inline V rough_rsqrt(V x) { return 1.0f / vsqrt(x); }
#else
#error "vectors.h: expected flags for AVX2 with FMA, or AVX-512"
#endif

inline V all(float x) { return V{} + x; }
inline V vmax(V a, V b) { return a > b ? a : b; }
inline V vabs(V a) { return a < 0.0f ? -a : a; }
inline V rsqrt(V x) {
    V y = rough_rsqrt(x);
    return y * (1.5f - 0.5f * x * y * y);
}
inline float largest(V a) {
    float found = a[0];
    for (int k = 1; k < W; k++) found = std::max(found, a[k]);
    return found;
}
inline bool finite(V a) {
    for (int k = 0; k < W; k++)
        if (!std::isfinite(a[k])) return false;
    return true;
}

struct V3 {
    V x, y, z;
};
inline V3 operator+(V3 a, V3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline V3 operator-(V3 a, V3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline V3 operator*(V s, V3 a) { return {s * a.x, s * a.y, s * a.z}; }
inline V3 operator*(float s, V3 a) { return {s * a.x, s * a.y, s * a.z}; }
inline V dot(V3 a, V3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline V3 cross(V3 a, V3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
}  // namespace
