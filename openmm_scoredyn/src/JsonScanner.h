#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

/// The tokens of JSON text, read from a position that moves on. Everything throws OpenMMException, naming the
/// text and the byte, when the text is not JSON.
class JsonScanner {
public:
    JsonScanner(std::string_view text, const std::string& name) : text_(text), name_(name) {}

    const std::string& name() const { return name_; }

    bool atEnd() const { return position_ == text_.size(); }

    /// Whether the next character is `c`.
    bool isNext(char c) const { return !atEnd() && text_[position_] == c; }

    [[noreturn]] void fail(const std::string& what) const {
        throw OpenMM::OpenMMException(name_ + ": not valid JSON: " + what + " at byte " +
                                      std::to_string(position_) +
                                      ". The file is damaged: export the model again.");
    }

    void skipSpace() {
        while (position_ < text_.size() &&
               std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos)
            ++position_;
    }

    /// UTF-8 of RFC 3629: no bytes out of place, no longer forms than needed, no surrogates.
    void requireUtf8() {
        for (position_ = 0; position_ < text_.size(); ++position_) {
            const unsigned lead = byte(position_);
            const int extra = lead < 0x80 ? 0 : lead < 0xC2 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
            if (extra < 0 || lead > 0xF4) fail("a byte that is not UTF-8");
            const unsigned second = byte(position_ + 1);
            const bool outside = (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
                                 (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F);
            if (extra > 0 && outside) fail("a byte that is not UTF-8");
            for (int i = 1; i <= extra; ++i)
                if ((byte(position_ + i) & 0xC0) != 0x80) fail("a byte that is not UTF-8");
            position_ += extra;
        }
        position_ = 0;
    }

    bool take(std::string_view token) {
        if (text_.substr(position_, token.size()) != token) return false;
        position_ += token.size();
        return true;
    }

    bool takeAfterSpace(char token) {
        skipSpace();
        return take(std::string_view(&token, 1));
    }

    /// JSON's own grammar first: from_chars also reads 01, .5, 1. and inf.
    double readNumber() {
        const size_t whole = isAt(position_, "-") ? position_ + 1 : position_;
        size_t end = isAt(whole, "0") ? whole + 1 : skipDigits(whole);
        if (end == whole) fail("expected a value");
        for (const std::string_view sign : {".", "eE"}) {
            if (!isAt(end, sign)) continue;
            const size_t digits = end + (sign == "eE" && isAt(end + 1, "+-") ? 2 : 1);
            end = skipDigits(digits);
            if (end == digits) fail("a number that ends too early");
        }
        double number = 0;
        const auto result = std::from_chars(text_.data() + position_, text_.data() + end, number);
        if (result.ec != std::errc()) fail("a number that is too large or too small");
        position_ = end;
        return number;
    }

    std::string readString() {
        std::string result;
        for (++position_; position_ < text_.size(); ++position_) {
            const char c = text_[position_];
            if (c == '"') return ++position_, result;
            if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
            if (c == '\\')
                appendEscape(result);
            else
                result += c;
        }
        fail("a string without end");
    }

private:
    /// 0 beyond the end.
    unsigned byte(size_t place) const {
        return place < text_.size() ? static_cast<unsigned char>(text_[place]) : 0;
    }

    /// End of the digits from `begin` on.
    size_t skipDigits(size_t begin) const {
        while (begin < text_.size() && text_[begin] >= '0' && text_[begin] <= '9') ++begin;
        return begin;
    }

    bool isAt(size_t place, std::string_view characters) const {
        return place < text_.size() && characters.find(text_[place]) != std::string_view::npos;
    }

    void appendEscape(std::string& result) {
        static constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
        if (++position_ == text_.size()) fail("a string without end");
        if (text_[position_] == 'u') return appendCodePoint(result);
        const size_t index = names.find(text_[position_]);
        if (index == std::string_view::npos) fail("an unknown escape");
        result += values[index];
    }

    unsigned readHex4() {
        unsigned code = 0;
        const char* begin = text_.data() + position_ + 1;
        if (position_ + 4 >= text_.size() || std::from_chars(begin, begin + 4, code, 16).ptr != begin + 4)
            fail("a damaged \\u escape");
        position_ += 4;
        return code;
    }

    /// UTF-8 of \uXXXX or of a surrogate pair.
    void appendCodePoint(std::string& result) {
        unsigned code = readHex4();
        if (code >= 0xD800 && code < 0xDC00) {
            ++position_;
            if (!take("\\u")) fail("half a surrogate pair");
            --position_;
            const unsigned low = readHex4();
            if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code < 0xE000) {
            fail("half a surrogate pair");
        }
        if (code < 0x80) {
            result += static_cast<char>(code);
            return;
        }
        const int extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        static constexpr unsigned lead[] = {0, 0xC0, 0xE0, 0xF0};
        result += static_cast<char>(lead[extra] | code >> (6 * extra));
        for (int shift = 6 * (extra - 1); shift >= 0; shift -= 6)
            result += static_cast<char>(0x80 | (code >> shift & 0x3F));
    }

    std::string_view text_;
    std::string name_;
    size_t position_ = 0;
};

}  // namespace ScoreDynPlugin
