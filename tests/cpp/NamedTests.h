#pragma once

// Tests by name: each is told with its time, and a failure does not keep the next from running, so that one
// run on a machine that is hard to come by shows all of them.

#include <chrono>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <ostream>
#include <string>

namespace core_tests {

class NamedTests {
public:
    explicit NamedTests(std::ostream& out = std::cout) : out_(out) {}

    /// Run a test, unless an earlier one broke the device for good.
    void run(const std::string& name, const std::function<void()>& test) {
        if (deviceIsLost_) return;
        const auto began = std::chrono::steady_clock::now();
        std::string failure;
        try {
            test();
        } catch (const std::exception& error) {
            failure = error.what();
            ++failed_;
        }
        ++all_;
        const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - began;
        out_ << (failure.empty() ? "ok     " : "FAILED ") << name << " (" << static_cast<long>(taken.count())
             << " ms)" << (failure.empty() ? "" : ": " + failure) << std::endl;
        deviceIsLost_ = losesTheDevice(failure);
        if (deviceIsLost_)
            out_ << "The rest is left out: after this error every call of CUDA in the process fails."
                 << std::endl;
    }

    /// Print how many failed; the status of the process.
    int finish() const {
        out_ << all_ - failed_ << " of " << all_ << " tests passed" << std::endl;
        return failed_ == 0 ? 0 : 1;
    }

private:
    static bool losesTheDevice(const std::string& failure) {
        for (const char* sign : {"CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_FAILED", "(700)", "(719)",
                                 "illegal memory access", "unspecified launch failure"})
            if (failure.find(sign) != std::string::npos) return true;
        return false;
    }

    std::ostream& out_;
    int all_ = 0, failed_ = 0;
    bool deviceIsLost_ = false;
};

}  // namespace core_tests

/// Run `test(arguments...)` under its own text.
#define RUN_NAMED(tests, test, ...) (tests).run(#test "(" #__VA_ARGS__ ")", [&] { test(__VA_ARGS__); })
