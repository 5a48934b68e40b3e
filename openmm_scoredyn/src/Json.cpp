#include "Json.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

void JsonValue::refuse(const char* expected) const {
    static constexpr const char* kinds[] = {"null", "true or false", "a number", "a string", "an array", "an object"};
    throw OpenMMException(path_ + ": expected " + expected + ", found " + kinds[value_.index()] +
                          ". Export the model again.");
}

bool JsonValue::asBool() const {
    if (const auto* value = std::get_if<bool>(&value_)) return *value;
    refuse("true or false");
}

double JsonValue::asNumber() const {
    if (const auto* value = std::get_if<double>(&value_)) return *value;
    refuse("a number");
}

int JsonValue::asInt() const {
    const double number = asNumber();
    if (number != std::floor(number) || std::abs(number) > std::numeric_limits<int>::max()) refuse("a whole number");
    return static_cast<int>(number);
}

const std::string& JsonValue::asString() const {
    if (const auto* value = std::get_if<std::string>(&value_)) return *value;
    refuse("a string");
}

const JsonValue::Array& JsonValue::asArray() const {
    if (const auto* value = std::get_if<Array>(&value_)) return *value;
    refuse("an array");
}

bool JsonValue::has(const std::string& key) const {
    const auto* object = std::get_if<Object>(&value_);
    return object && object->contains(key);
}

const JsonValue& JsonValue::at(const std::string& key) const {
    const auto* object = std::get_if<Object>(&value_);
    if (!object) refuse("an object");
    const auto found = object->find(key);
    if (found == object->end())
        throw OpenMMException(path_ + ": the field '" + key + "' is missing. Export the model again.");
    return found->second;
}

/// Recursive descent over the text.
class JsonReader {
   public:
    JsonReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

    JsonValue readAll() {
        JsonValue value = read(name_, 0);
        skipSpace();
        if (position_ != text_.size()) fail("text after the end");
        return value;
    }

   private:
    static constexpr int maxDepth = 64;

    [[noreturn]] void fail(const std::string& what) const {
        throw OpenMMException(name_ + ": not valid JSON: " + what + " at byte " + std::to_string(position_) +
                              ". The file is damaged: export the model again.");
    }

    void skipSpace() {
        while (position_ < text_.size() && std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos)
            ++position_;
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

    JsonValue read(const std::string& path, int depth) {
        if (depth > maxDepth) fail("nested too deeply");
        skipSpace();
        if (position_ == text_.size()) fail("unexpected end");
        JsonValue value;
        value.path_ = path;
        const char first = text_[position_];
        if (take("null")) return value;
        if (take("true"))
            value.value_ = true;
        else if (take("false"))
            value.value_ = false;
        else if (first == '"')
            value.value_ = readString();
        else if (first == '[')
            value.value_ = readArray(path, depth);
        else if (first == '{')
            value.value_ = readObject(path, depth);
        else
            value.value_ = readNumber();
        return value;
    }

    JsonValue::Array readArray(const std::string& path, int depth) {
        JsonValue::Array array;
        take("[");
        if (takeAfterSpace(']')) return array;
        do {
            array.push_back(read(path + "[" + std::to_string(array.size()) + "]", depth + 1));
        } while (takeAfterSpace(','));
        if (!takeAfterSpace(']')) fail("expected ',' or ']'");
        return array;
    }

    JsonValue::Object readObject(const std::string& path, int depth) {
        JsonValue::Object object;
        take("{");
        if (takeAfterSpace('}')) return object;
        do {
            skipSpace();
            if (position_ == text_.size() || text_[position_] != '"') fail("expected a field name");
            const std::string key = readString();
            if (!takeAfterSpace(':')) fail("expected ':'");
            if (!object.emplace(key, read(path + "." + key, depth + 1)).second) fail("field '" + key + "' stands twice");
        } while (takeAfterSpace(','));
        if (!takeAfterSpace('}')) fail("expected ',' or '}'");
        return object;
    }

    double readNumber() {
        // from_chars is more lenient than JSON, which has neither a leading dot nor inf and nan.
        const char first = text_[position_];
        if (first != '-' && (first < '0' || first > '9')) fail("expected a value");
        double number = 0;
        const auto [end, error] = std::from_chars(text_.data() + position_, text_.data() + text_.size(), number);
        if (error != std::errc() || !std::isfinite(number)) fail("a number that cannot be read");
        position_ = end - text_.data();
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
            code = 0x10000 + ((code - 0xD800) << 10) + (readHex4() - 0xDC00);
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

JsonValue parseJson(std::string_view text, const std::string& name) { return JsonReader(text, name).readAll(); }

}  // namespace ScoreDynPlugin
