#pragma once

// What the tests of the C++ core share, next to OpenMM's own assertion macros.

#include <cmath>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <sstream>
#include <string>

#include "openmm/OpenMMException.h"
#include "openmm/internal/AssertionUtilities.h"

namespace ScoreDynPlugin {}

namespace core_tests {

using namespace OpenMM;
using namespace ScoreDynPlugin;

/// Fails unless `action` throws an OpenMMException whose message contains `text`.
inline void assertThrows(const std::function<void()>& action, const std::string& text) {
    std::string found = "no exception";
    try {
        action();
    } catch (const OpenMMException& error) {
        found = error.what();
        if (found.find(text) != std::string::npos) return;
    }
    throwException(__FILE__, __LINE__, "expected an exception with '" + text + "', found '" + found + "'");
}

/// Fails unless `found` is within four standard errors of `expected`.
inline void assertWithinError(double expected, double found, double standardError) {
    if (std::abs(found - expected) <= 4 * standardError) return;
    std::ostringstream text;
    text << "expected " << expected << ", found " << found << ", with a standard error of " << standardError;
    throwException(__FILE__, __LINE__, text.str());
}

/// The body of main: runs the tests in order, exit status 1 at the first that throws.
inline int runTests(std::initializer_list<void (*)()> tests) {
    try {
        for (const auto test : tests) test();
    } catch (const std::exception& error) {
        std::cout << "exception: " << error.what() << std::endl;
        return 1;
    }
    std::cout << "Done" << std::endl;
    return 0;
}

}  // namespace core_tests
