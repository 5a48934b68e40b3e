#include "Crc32.h"

#include <array>

namespace ScoreDynPlugin {

namespace {

constexpr std::array<uint32_t, 256> makeTable() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < table.size(); ++i) {
        table[i] = i;
        for (int bit = 0; bit < 8; ++bit) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xEDB88320u : 0u);
    }
    return table;
}

}  // namespace

uint32_t crc32(std::string_view bytes) {
    static constexpr std::array<uint32_t, 256> table = makeTable();
    uint32_t crc = ~0u;
    for (const char c : bytes) crc = table[(crc ^ static_cast<uint8_t>(c)) & 0xFF] ^ crc >> 8;
    return ~crc;
}

}  // namespace ScoreDynPlugin
