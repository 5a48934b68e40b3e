#pragma once

#include <pybind11/pybind11.h>

#include "StepCounts.h"

namespace ScoreDynPlugin {

/// What the guard refused, as a Python dict.
inline pybind11::dict countsDict(const StepCounts& counts) {
    using namespace pybind11::literals;
    return pybind11::dict("redraws"_a = counts.redraws, "rejected_steps"_a = counts.rejectedSteps,
                          "not_finite"_a = counts.notFinite, "bond"_a = counts.bond,
                          "chirality"_a = counts.chirality, "displacement"_a = counts.displacement);
}

}  // namespace ScoreDynPlugin
