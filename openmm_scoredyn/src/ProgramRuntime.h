#pragma once

#include <ATen/core/ivalue.h>

#include <memory>
#include <string>
#include <vector>

#include "ScoreArchive.h"

namespace ScoreDynPlugin {

/// A method of the contract, and the number of its arguments.
struct ProgramMethod {
    std::string name;
    size_t numArguments;
};

/// Runs the methods of a loaded file, one class per format. What comes back is checked by ScoreProgram.
class ProgramRuntime {
public:
    virtual ~ProgramRuntime() = default;
    /// What a method returns. May be called from several threads, and throws whatever torch throws.
    virtual c10::IValue run(const std::string& method, const std::vector<at::Tensor>& arguments) const = 0;
};

/// Load a TorchScript archive, freeze it, and see that it has the methods. Throws OpenMMException.
std::unique_ptr<ProgramRuntime> loadTorchScript(const ScoreArchive& archive,
                                                const std::vector<ProgramMethod>& methods);

/// Load an AOTInductor package, which runs the native code it holds. Throws OpenMMException.
std::unique_ptr<ProgramRuntime> loadInductorPackage(const ScoreArchive& archive,
                                                    const std::vector<ProgramMethod>& methods);

}  // namespace ScoreDynPlugin
