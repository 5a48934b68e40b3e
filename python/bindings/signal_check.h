#pragma once

#include <pybind11/pybind11.h>

#include <chrono>

namespace ScoreDynPlugin {

/// Called between steps without the GIL: lets Python handle Ctrl-C. It looks no more often than every 20 ms,
/// because taking the GIL from a busy thread can take longer than a step.
class SignalCheck {
public:
    void operator()() {
        const auto now = Clock::now();
        if (now - last_ < std::chrono::milliseconds(20)) return;
        last_ = now;
        const pybind11::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    }

private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point last_ = Clock::now();
};

}  // namespace ScoreDynPlugin
