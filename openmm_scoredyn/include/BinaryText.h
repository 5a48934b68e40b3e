#pragma once

#include <cstdint>
#include <istream>
#include <ostream>
#include <string>

namespace ScoreDynPlugin {

constexpr size_t longestText = size_t(1) << 31;

/// Write the bytes of a number.
template <typename T>
void put(std::ostream& stream, const T& value) {
    stream.write(reinterpret_cast<const char*>(&value), sizeof(T));
}

/// Read what `put` wrote.
template <typename T>
T take(std::istream& stream) {
    T value{};
    stream.read(reinterpret_cast<char*>(&value), sizeof(T));
    return value;
}

/// Write a text after its length.
inline void putText(std::ostream& stream, const std::string& text) {
    put(stream, static_cast<uint64_t>(text.size()));
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// Read what `putText` wrote. A text that cannot be read is empty, and the stream has failed.
inline std::string takeText(std::istream& stream) {
    const auto size = take<uint64_t>(stream);
    if (!stream || size > longestText) {
        stream.setstate(std::ios::failbit);
        return {};
    }
    std::string text(size, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(size));
    return stream ? text : std::string();
}

}  // namespace ScoreDynPlugin
