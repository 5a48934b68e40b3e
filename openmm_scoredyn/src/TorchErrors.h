#pragma once

#include <c10/util/Exception.h>

#include <sstream>
#include <string>

namespace ScoreDynPlugin {

/// What an error of torch says, on one line, without C++ and TorchScript backtraces.
inline std::string reason(const std::exception& error) {
    const auto* torchError = dynamic_cast<const c10::Error*>(&error);
    std::string text = torchError ? torchError->what_without_backtrace() : error.what();
    // The interpreter puts the error itself below the program's own call stack.
    static const std::string lastOfStack = "<--- HERE";
    const size_t stack = text.rfind(lastOfStack);
    const bool fromInterpreter = text.find("Traceback of TorchScript") != std::string::npos;
    if (fromInterpreter && stack != std::string::npos) text.erase(0, stack + lastOfStack.size());
    std::istringstream lines(text);
    std::string line, joined;
    while (std::getline(lines, line)) {
        const size_t begin = line.find_first_not_of(" \t\r"), end = line.find_last_not_of(" \t\r");
        if (begin == std::string::npos) continue;
        if (!joined.empty()) joined += ' ';
        joined.append(line, begin, end - begin + 1);
        // Of torch's own errors the first line is the error; C++ frames and advice follow.
        if (!fromInterpreter) break;
    }
    return joined;
}

}  // namespace ScoreDynPlugin
