#pragma once

#include <c10/util/Exception.h>

#include <sstream>
#include <string>

namespace ScoreDynPlugin {

/// The sentence of an error of torch, without C++ and TorchScript backtraces.
inline std::string reason(const std::exception& error) {
    const auto* torchError = dynamic_cast<const c10::Error*>(&error);
    const std::string text = torchError ? torchError->what_without_backtrace() : error.what();
    // The interpreter puts the error itself on the last line, below the program's own call stack.
    const bool fromInterpreter = text.find("Traceback of TorchScript") != std::string::npos;
    std::istringstream lines(text);
    std::string line, chosen;
    while (std::getline(lines, line)) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        chosen = line;
        if (!fromInterpreter) break;
    }
    return chosen;
}

}  // namespace ScoreDynPlugin
