#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using FloatArray = pybind11::array_t<float, pybind11::array::c_style | pybind11::array::forcecast>;
using Shape = std::vector<pybind11::ssize_t>;

/// Refuse an array of another shape, in the name of `caller`; -1 stands for any positive length.
inline void requireShape(const std::string& caller, const FloatArray& array, const std::string& name,
                         const Shape& expected) {
    const Shape found(array.shape(), array.shape() + array.ndim());
    bool fits = found.size() == expected.size();
    for (size_t i = 0; fits && i < found.size(); ++i)
        fits = expected[i] == found[i] || (expected[i] == -1 && found[i] > 0);
    const auto text = [](const Shape& shape) {
        return std::string(pybind11::str(pybind11::tuple(pybind11::cast(shape))));
    };
    if (!fits)
        throw OpenMM::OpenMMException(caller + ": " + name + " has the wrong shape; expected " +
                                      text(expected) + " (-1: any), found " + text(found) +
                                      "; reshape the array.");
}

}  // namespace ScoreDynPlugin
