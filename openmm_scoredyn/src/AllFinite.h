#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

namespace ScoreDynPlugin {

/// Without a way out of the loop, which compilers then do several values at a time.
inline bool allFinite(const float* values, size_t count) {
    int wrong = 0;
    for (size_t i = 0; i < count; ++i) wrong |= !(std::abs(values[i]) <= std::numeric_limits<float>::max());
    return wrong == 0;
}

}  // namespace ScoreDynPlugin
