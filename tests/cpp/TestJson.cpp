#include <clocale>
#include <locale>
#include <string>

#include "Assertions.h"
#include "Json.h"

namespace core_tests {

JsonValue read(const std::string& text) { return parseJson(text, "Text"); }

void testNumbers() {
    ASSERT_EQUAL(0.0, read("0").asNumber());
    ASSERT_EQUAL(-12.5e-3, read(" -12.5e-3\n").asNumber());
    ASSERT_EQUAL(1e5, read("1E+5").asNumber());
    ASSERT_EQUAL(-7, read("-7").asInt());
    for (const char* text :
         {"01", "+1", ".5", "1.", "1e", "-", "-.5", "0x10", "NaN", "Infinity", "-inf", "1 2"})
        assertThrows([&] { read(text); }, "Text: not valid JSON: ");
    assertThrows([] { read("1e400"); }, "too large or too small at byte 0");
    assertThrows([] { read("1.5").asInt(); }, "Text: expected a whole number, found a number");
    assertThrows([] { read("1e10").asInt(); }, "expected a whole number");
}

/// The decimal separator of continental Europe, without needing an installed locale.
struct CommaSeparator : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
};

/// A user's script may set a locale, for streams or for C.
void testNumbersDoNotDependOnTheLocale() {
    const std::locale before = std::locale::global(std::locale(std::locale::classic(), new CommaSeparator));
    for (const char* name : {"de_DE.UTF-8", "de_DE.utf8"}) std::setlocale(LC_ALL, name);
    const double found = read("0.25").asNumber();
    std::setlocale(LC_ALL, "C");
    std::locale::global(before);
    ASSERT_EQUAL(0.25, found);
}

void testStrings() {
    ASSERT_EQUAL("a\"\\/\b\f\n\r\tz", read(R"("a\"\\\/\b\f\n\r\tz")").asString());
    ASSERT_EQUAL("\x41\xC3\xA5\xE2\x82\xAC\xF0\x9F\x98\x80",
                 read(R"("\u0041\u00e5\u20AC\ud83d\ude00")").asString());
    for (const char* text : {"\"abc", "\"a\nb\"", R"("\x")", R"("\u12")", R"("\u12G4")", R"("\ud83d")",
                             R"("\ude00")", R"("\ud83d\u0041")", "\"\\"})
        assertThrows([&] { read(text); }, "Text: not valid JSON: ");
}

void testContainers() {
    const JsonValue value = read(R"( { "a" : [ 1 , [ ] , { } ] , "b" : { "c" : null , "d" : true } } )");
    ASSERT_EQUAL(size_t(3), value.at("a").asArray().size());
    ASSERT(value.at("a").asArray()[1].asArray().empty());
    ASSERT(value.has("b") && !value.has("c"));
    ASSERT(value.at("b").at("d").asBool());
    for (const char* text :
         {"", " ", "[1,]", "[1 2]", "[", "{", R"({"a"})", R"({"a":1,})", "{a:1}", "[1]]", "nul", "[1"})
        assertThrows([&] { read(text); }, "Text: not valid JSON: ");
    assertThrows([] { read(R"({"a":1,"a":2})"); }, "field 'a' stands twice");
}

struct Damage {
    const char *text, *message;
};

const Damage damages[] = {
    {"", "unexpected end at byte 0"},
    {"[1] 2", "text after the end at byte 4"},
    {"nul", "expected a value at byte 0"},
    {"1.", "a number that ends too early at byte 0"},
    {"1e+", "a number that ends too early at byte 0"},
    {"-1e400", "a number that is too large or too small at byte 0"},
    {"[1 2]", "expected ',' or ']' at byte 3"},
    {R"({"a" 1})", "expected ':' at byte 5"},
    {"{a:1}", "expected a field name at byte 1"},
    {R"({"a":1 "b":2})", "expected ',' or '}' at byte 7"},
    {R"({"a":1,"a":2})", "field 'a' stands twice at byte 12"},
    {"\"abc", "a string without end at byte 4"},
    {"\"a\tb\"", "a control character in a string at byte 2"},
    {R"("\x")", "an unknown escape at byte 2"},
    {R"("\u12G4")", "a damaged \\u escape at byte 2"},
    {R"("\ud83dabc")", "half a surrogate pair at byte 7"},
};

void testDamageIsNamedWithItsPlace() {
    for (const auto& [text, message] : damages)
        assertThrows([&] { read(text); }, std::string("Text: not valid JSON: ") + message +
                                              ". The file is damaged: export the model again.");
}

void testDepthIsLimited() {
    const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    read(nested(64));
    assertThrows([&] { read(nested(100000)); }, "nested too deeply at byte 65");
}

void testMessagesNameThePath() {
    const JsonValue value = read(R"({"a":[{"b":null}]})");
    const JsonValue& inner = value.at("a").asArray()[0];
    assertThrows([&] { inner.at("b").asNumber(); }, "Text.a[0].b: expected a number, found null");
    assertThrows([&] { inner.at("b").at("c"); }, "Text.a[0].b: expected an object, found null");
    assertThrows([&] { inner.at("c"); }, "Text.a[0]: the field 'c' is missing");
    assertThrows([&] { inner.asString(); }, "Text.a[0]: expected a string, found an object");
    assertThrows([&] { value.asArray(); }, "Text: expected an array, found an object");
    assertThrows([&] { value.at("a").asBool(); }, "Text.a: expected true or false, found an array");
}

}  // namespace core_tests

int main() {
    using namespace core_tests;
    return runTests({testNumbers, testNumbersDoNotDependOnTheLocale, testStrings, testContainers,
                     testDamageIsNamedWithItsPlace, testDepthIsLimited, testMessagesNameThePath});
}
