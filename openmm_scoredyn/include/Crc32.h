#pragma once

#include <cstdint>
#include <string_view>

namespace ScoreDynPlugin {

/// CRC-32 of zip files (ISO 3309, reversed polynomial 0xEDB88320).
uint32_t crc32(std::string_view bytes);

}  // namespace ScoreDynPlugin
