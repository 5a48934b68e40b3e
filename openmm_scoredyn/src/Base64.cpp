#include "Base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::array<int, 256> inverseAlphabet() {
    std::array<int, 256> inverse;
    inverse.fill(-1);
    for (int i = 0; i < 64; ++i) inverse[static_cast<unsigned char>(alphabet[i])] = i;
    return inverse;
}

[[noreturn]] void refuse() {
    throw OpenMM::OpenMMException(
        "base64Decode: the text is damaged; expected base64; serialize the object again.");
}

}  // namespace

std::string base64Encode(const void* data, size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    std::string text;
    text.reserve((size + 2) / 3 * 4);
    for (size_t i = 0; i < size; i += 3) {
        const size_t count = std::min<size_t>(3, size - i);
        uint32_t group = 0;
        for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
        for (size_t k = 0; k < 4; ++k) text += k <= count ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

std::string base64Decode(const std::string& text) {
    static const std::array<int, 256> inverse = inverseAlphabet();
    if (text.size() % 4 != 0) refuse();
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (size_t i = 0; i < text.size(); i += 4) {
        // Padding may only end the text.
        const bool last = i + 4 == text.size();
        const size_t padding = !last || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
        uint32_t group = 0;
        for (size_t k = 0; k < 4; ++k) {
            const int value = k < 4 - padding ? inverse[static_cast<unsigned char>(text[i + k])] : 0;
            if (value < 0) refuse();
            group = group << 6 | static_cast<uint32_t>(value);
        }
        for (size_t k = 0; k < 3 - padding; ++k) bytes += static_cast<char>(group >> (16 - 8 * k) & 255);
    }
    return bytes;
}

}  // namespace ScoreDynPlugin
