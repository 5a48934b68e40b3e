#pragma once

#include <array>

#include "Guard.h"

namespace ScoreDynPlugin {

/// What the guard rejected. Every rejected draw is counted once under its cause.
struct StepCounts {
    long long rejectedDraws = 0;  ///< draws made in place of rejected ones
    long long refinedDraws = 0;   ///< those of them that were refinements of a rejected one
    long long rejectedSteps = 0;  ///< steps (of one replica) whose first draw was rejected
    std::array<long long, causeNames.size()> byCause{};

    long long& of(Cause cause) { return byCause[static_cast<size_t>(cause)]; }
    long long of(Cause cause) const { return byCause[static_cast<size_t>(cause)]; }
    bool operator==(const StepCounts&) const = default;
};

}  // namespace ScoreDynPlugin
