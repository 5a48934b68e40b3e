#include "Json.h"

#include <cmath>
#include <limits>

#include "JsonScanner.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

void JsonValue::refuse(const char* expected) const {
    static constexpr const char* kinds[] = {"null",     "true or false", "a number",
                                            "a string", "an array",      "an object"};
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
    if (number != std::floor(number) || std::abs(number) > std::numeric_limits<int>::max())
        refuse("a whole number");
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

/// Builds the values of JSON text by recursive descent.
class JsonReader {
public:
    JsonReader(std::string_view text, const std::string& name) : scanner_(text, name) {}

    JsonValue readAll() {
        JsonValue value = read(scanner_.name(), 0);
        scanner_.skipSpace();
        if (!scanner_.atEnd()) scanner_.fail("text after the end");
        return value;
    }

private:
    static constexpr int maxDepth = 64;

    JsonValue read(const std::string& path, int depth) {
        if (depth > maxDepth) scanner_.fail("nested too deeply");
        scanner_.skipSpace();
        if (scanner_.atEnd()) scanner_.fail("unexpected end");
        JsonValue value;
        value.path_ = path;
        if (scanner_.take("null")) return value;
        if (scanner_.take("true"))
            value.value_ = true;
        else if (scanner_.take("false"))
            value.value_ = false;
        else if (scanner_.isNext('"'))
            value.value_ = scanner_.readString();
        else if (scanner_.isNext('['))
            value.value_ = readArray(path, depth);
        else if (scanner_.isNext('{'))
            value.value_ = readObject(path, depth);
        else
            value.value_ = scanner_.readNumber();
        return value;
    }

    JsonValue::Array readArray(const std::string& path, int depth) {
        JsonValue::Array array;
        scanner_.take("[");
        if (scanner_.takeAfterSpace(']')) return array;
        do {
            array.push_back(read(path + "[" + std::to_string(array.size()) + "]", depth + 1));
        } while (scanner_.takeAfterSpace(','));
        if (!scanner_.takeAfterSpace(']')) scanner_.fail("expected ',' or ']'");
        return array;
    }

    JsonValue::Object readObject(const std::string& path, int depth) {
        JsonValue::Object object;
        scanner_.take("{");
        if (scanner_.takeAfterSpace('}')) return object;
        do {
            scanner_.skipSpace();
            if (!scanner_.isNext('"')) scanner_.fail("expected a field name");
            const std::string key = scanner_.readString();
            if (!scanner_.takeAfterSpace(':')) scanner_.fail("expected ':'");
            if (!object.emplace(key, read(path + "." + key, depth + 1)).second)
                scanner_.fail("field '" + key + "' stands twice");
        } while (scanner_.takeAfterSpace(','));
        if (!scanner_.takeAfterSpace('}')) scanner_.fail("expected ',' or '}'");
        return object;
    }

    JsonScanner scanner_;
};

JsonValue parseJson(std::string_view text, const std::string& name) {
    JsonScanner(text, name).requireUtf8();
    return JsonReader(text, name).readAll();
}

}  // namespace ScoreDynPlugin
