// What a run of tests by name tells, and when it goes on.

#include <sstream>
#include <string>

#include "Assertions.h"
#include "NamedTests.h"

namespace core_tests {

void passes(int) {}
void fails() { throw OpenMMException("no such thing"); }
void losesTheDevice() { throw OpenMMException("Error: CUDA_ERROR_ILLEGAL_ADDRESS (700) at here"); }

/// What was printed, without times.
std::string withoutTimes(const std::ostringstream& out) {
    std::string text = out.str();
    for (size_t open;
         (open = text.find(" (")) != std::string::npos && text.find(" ms)", open) != std::string::npos;)
        text.erase(open, text.find(" ms)", open) + 4 - open);
    return text;
}

void testAFailureIsNamedAndTheRestRuns() {
    std::ostringstream out;
    NamedTests tests(out);
    RUN_NAMED(tests, passes, 3);
    RUN_NAMED(tests, fails);
    RUN_NAMED(tests, passes, 4);
    ASSERT_EQUAL(1, tests.finish());
    ASSERT_EQUAL(
        std::string(
            "ok     passes(3)\nFAILED fails(): no such thing\nok     passes(4)\n2 of 3 tests passed\n"),
        withoutTimes(out));
}

void testNothingFailed() {
    std::ostringstream out;
    NamedTests tests(out);
    RUN_NAMED(tests, passes, 1);
    ASSERT_EQUAL(0, tests.finish());
}

void testALostDeviceEndsTheRun() {
    std::ostringstream out;
    NamedTests tests(out);
    RUN_NAMED(tests, losesTheDevice);
    RUN_NAMED(tests, passes, 1);
    ASSERT_EQUAL(1, tests.finish());
    ASSERT(out.str().find("The rest is left out") != std::string::npos);
    ASSERT(out.str().find("passes") == std::string::npos);
}

}  // namespace core_tests

int main() {
    using namespace core_tests;
    return runTests({testAFailureIsNamedAndTheRestRuns, testNothingFailed, testALostDeviceEndsTheRun});
}
