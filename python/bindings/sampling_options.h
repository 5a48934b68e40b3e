#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "SamplingOptions.h"

namespace ScoreDynPlugin {

/// Sampling options as a dict by name.
inline pybind11::dict samplingOptionsDict(const SamplingOptions& options) {
    pybind11::dict values;
    values["solver"] = solverName(options.solver);
    for (const SamplingOptions::Number& number : SamplingOptions::numbers())
        values[pybind11::str(number.name)] = options.*number.value;
    return values;
}

/// What the card recommends, with the options that a dict names. Throws OpenMMException for another name or a
/// value out of range.
inline SamplingOptions samplingOptions(const Card& card, const pybind11::dict& values) {
    SamplingOptions options = SamplingOptions::recommended(card);
    for (const auto& [key, value] : values) {
        const auto name = key.cast<std::string>();
        if (name == "solver")
            options.set(card, parseSolver(value.cast<std::string>()));
        else
            options.set("Program", card, SamplingOptions::number(name), value.cast<int>());
    }
    return options;
}

/// Of every number: what is used unless another is asked for, the least and the most, by name.
inline pybind11::dict samplingRanges(const Card& card) {
    const SamplingOptions usual = SamplingOptions::recommended(card);
    pybind11::dict ranges;
    for (const SamplingOptions::Number& number : SamplingOptions::numbers())
        ranges[pybind11::str(number.name)] =
            pybind11::make_tuple(usual.*number.value, number.least(card), number.most(card));
    return ranges;
}

}  // namespace ScoreDynPlugin
