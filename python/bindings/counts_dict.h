#pragma once

#include <pybind11/pybind11.h>

#include "StepCounts.h"

namespace ScoreDynPlugin {

/// What the guard rejected, as a Python dict.
inline pybind11::dict countsDict(const StepCounts& counts) {
    using namespace pybind11::literals;
    pybind11::dict counted("rejected_draws"_a = counts.rejectedDraws, "refined_draws"_a = counts.refinedDraws,
                           "rejected_steps"_a = counts.rejectedSteps);
    for (size_t i = 0; i < causeNames.size(); ++i) counted[causeNames[i]] = counts.byCause[i];
    return counted;
}

}  // namespace ScoreDynPlugin
