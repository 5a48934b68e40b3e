#include <algorithm>
#include <cmath>
#include <vector>

#include "Assertions.h"
#include "Noise.h"

namespace core_tests {

constexpr NoiseKey key{.seed = 7, .replica = 2, .step = (uint64_t(3) << 32) + 5, .resample = 1, .stage = 4};

std::vector<float> normals(const NoiseKey& which, size_t count) {
    std::vector<float> values(count);
    fillNormal(which, values.data(), count);
    return values;
}

/// Values of an independent implementation in Python: checkpoints of old versions must go on with the same
/// noise.
void testKnownAnswers() {
    const double expected[] = {0.9439560851818036,   0.5127777192451914, -0.2340071324506754,
                               -0.04880640157845157, 0.1252003850621329, 0.44913834015794496};
    const auto found = normals(key, 6);
    for (int e = 0; e < 6; ++e) ASSERT_EQUAL_TOL(expected[e], found[e], 1e-7);
}

void testElementDoesNotDependOnCount() {
    const auto all = normals(key, 13);
    for (size_t count = 0; count <= all.size(); ++count) {
        std::vector<float> some(all.size(), -99.0f);
        fillNormal(key, some.data(), count);
        for (size_t e = 0; e < all.size(); ++e) ASSERT_EQUAL(e < count ? all[e] : -99.0f, some[e]);
    }
}

/// Mean, variance and fourth moment of n standard normals have variances 1/n, 2/n and 96/n.
void testMoments() {
    const size_t n = 200000;
    double sums[4] = {};
    for (const float value : normals(key, n))
        for (int k = 0; k < 4; ++k) sums[k] += std::pow(value, k + 1) / n;
    assertWithinError(0, sums[0], std::sqrt(1.0 / n));
    assertWithinError(1, sums[1], std::sqrt(2.0 / n));
    assertWithinError(0, sums[2], std::sqrt(15.0 / n));
    assertWithinError(3, sums[3], std::sqrt(96.0 / n));
}

/// Kolmogorov-Smirnov: the largest gap between the two distribution functions exceeds 2.2 / sqrt(n) with
/// probability 1.2e-4, about that of four standard errors.
void testDistribution() {
    const size_t n = 100000;
    auto values = normals(key, n);
    std::sort(values.begin(), values.end());
    double gap = 0;
    for (size_t i = 0; i < n; ++i) {
        const double wanted = 0.5 * std::erfc(-values[i] / std::sqrt(2.0));
        gap = std::max({gap, wanted - double(i) / n, double(i + 1) / n - wanted});
    }
    ASSERT(gap < 2.2 / std::sqrt(n));
}

/// Every field of the key gives noise that is uncorrelated with that of its neighbours, element by element.
void testFieldsAreIndependent() {
    std::vector<NoiseKey> others(7, key);
    others[0].seed += 1;
    others[1].replica += 1;
    others[2].step += 1;
    others[3].step += uint64_t(1) << 32;
    others[4].resample += 1;
    others[5].stage += 1;
    std::swap(others[6].resample, others[6].stage);
    const size_t n = 20000;
    const auto first = normals(key, n);
    for (const NoiseKey& other : others) {
        const auto second = normals(other, n);
        double correlation = 0;
        for (size_t e = 0; e < n; ++e) correlation += first[e] * second[e] / n;
        assertWithinError(0, correlation, std::sqrt(1.0 / n));
    }
    double neighbours = 0;
    for (size_t e = 0; e + 1 < n; ++e) neighbours += first[e] * first[e + 1] / n;
    assertWithinError(0, neighbours, std::sqrt(1.0 / n));
}

void testRefusesWhatWouldRepeat() {
    NoiseKey tooLarge = key;
    tooLarge.resample = 65536;
    assertThrows([&] { normals(tooLarge, 1); },
                 "Noise: expected resample and stage below 65536, found resample 65536");
    tooLarge = key;
    tooLarge.stage = 65536;
    assertThrows([&] { normals(tooLarge, 1); }, "and stage 65536; ask for fewer");
    tooLarge.stage = velocityStage;
    ASSERT(std::isfinite(normals(tooLarge, 1)[0]));
}

}  // namespace core_tests

int main() {
    using namespace core_tests;
    return runTests({testKnownAnswers, testElementDoesNotDependOnCount, testMoments, testDistribution,
                     testFieldsAreIndependent, testRefusesWhatWouldRepeat});
}
