#pragma once

#include <string>

namespace ScoreDynPlugin {

/// Permission to take a score program that holds native code (an AOTInductor package, `.pt2`). Loading one
/// runs that code with the rights of the process, as loading a shared library does, so nothing in the file
/// itself can make it safe: the caller has to trust it.
struct NativeCodePermission {
    bool granted = false;  ///< the caller trusts whatever the file holds
    std::string sha256;    ///< the caller trusts the file of this SHA-256, hexadecimal; empty for none
};

/// Let this process run the native code of the file with this SHA-256, wherever it comes from: for programs
/// that arrive inside XML, which has no place for a permission that could be believed.
/// Throws OpenMMException unless it is 64 hexadecimal digits.
void trustNativeCode(const std::string& sha256);

/// Check what a caller trusts against the file of SHA-256 `found`, called `name` in errors. A SHA-256
/// that was given must match, whatever the file holds. Native code that is allowed once stays allowed in this
/// process under its SHA-256, so that copies of an integrator can be made. Throws OpenMMException otherwise.
void checkNativeCode(const NativeCodePermission& permission, bool holdsNativeCode, const std::string& found,
                     const std::string& name);

/// Check that libraries can be loaded from the temporary folder, into which those of a package are unpacked.
/// Throws OpenMMException where it is mounted noexec.
void requireLoadableNativeCode();

}  // namespace ScoreDynPlugin
