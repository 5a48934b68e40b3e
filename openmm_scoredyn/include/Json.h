#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ScoreDynPlugin {

/// A value read from JSON text (RFC 8259). Every accessor throws OpenMMException, naming the path of the
/// value and what was found, when the value is of another kind.
class JsonValue {
public:
    using Array = std::vector<JsonValue>;
    using Object = std::map<std::string, JsonValue>;

    bool asBool() const;
    double asNumber() const;
    int asInt() const;  ///< a number without fraction, in the range of int
    const std::string& asString() const;
    const Array& asArray() const;
    bool has(const std::string& key) const;
    const JsonValue& at(const std::string& key) const;
    std::vector<std::string> keys() const;  ///< of an object, in alphabetical order

private:
    friend class JsonReader;
    [[noreturn]] void refuse(const char* expected) const;
    std::variant<std::nullptr_t, bool, double, std::string, Array, Object> value_ = nullptr;
    std::string path_;
};

/// Read one JSON value, and nothing else, from `text`; `name` begins the path in messages. Throws
/// OpenMMException.
JsonValue parseJson(std::string_view text, const std::string& name);

}  // namespace ScoreDynPlugin
