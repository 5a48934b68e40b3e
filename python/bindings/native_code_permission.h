#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "NativeCode.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

/// The Python argument `allow_native_code`: True, False, or the SHA-256 that the file must have.
inline NativeCodePermission nativeCodePermission(const pybind11::object& value) {
    NativeCodePermission permission;
    if (pybind11::isinstance<pybind11::bool_>(value)) {
        permission.granted = value.cast<bool>();
        return permission;
    }
    if (pybind11::isinstance<pybind11::str>(value)) permission.sha256 = value.cast<std::string>();
    if (!permission.sha256.empty()) return permission;
    throw OpenMM::OpenMMException(
        "ScoreProgram: allow_native_code is not valid; expected True, False or a SHA-256, "
        "found " +
        std::string(pybind11::repr(value)) + "; give one of them.");
}

}  // namespace ScoreDynPlugin
