#pragma once

#include <cstddef>
#include <string>

namespace ScoreDynPlugin {

/// Base64 (RFC 4648, with padding), for binary data in XML.
std::string base64Encode(const void* data, size_t size);

/// Inverse of base64Encode. Throws OpenMMException for text that it did not write.
std::string base64Decode(const std::string& text);

}  // namespace ScoreDynPlugin
