#pragma once

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>

#include <initializer_list>
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

/// Tensors and lists of tensors.
using Arguments = std::initializer_list<c10::IValue>;

/// Runs the methods of a loaded file, one class per format. What comes back is checked by ScoreProgram.
class ProgramRuntime {
public:
    virtual ~ProgramRuntime() = default;
    /// What a method returns: a tensor, or a list of tensors for `condition`. May be called from several
    /// threads, and throws whatever torch throws.
    virtual c10::IValue run(const std::string& method, Arguments arguments) const = 0;
};

/// Load a TorchScript archive onto a device, freeze it, and see that it has the methods. Throws
/// OpenMMException.
std::unique_ptr<ProgramRuntime> loadTorchScript(const ScoreArchive& archive,
                                                const std::vector<ProgramMethod>& methods,
                                                const c10::Device& device);

/// Load an AOTInductor package, which runs the native code it holds, onto the device it was compiled for.
/// Throws OpenMMException, also where that is another kind of device.
std::unique_ptr<ProgramRuntime> loadInductorPackage(const ScoreArchive& archive,
                                                    const std::vector<ProgramMethod>& methods,
                                                    const c10::Device& device);

}  // namespace ScoreDynPlugin
