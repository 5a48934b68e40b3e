#pragma once

#include <cstddef>
#include <string>

namespace ScoreDynPlugin {

/// SHA-256 (FIPS 180-4) of `size` bytes, as 64 lower-case hexadecimal digits.
std::string sha256Hex(const void* data, size_t size);

}  // namespace ScoreDynPlugin
