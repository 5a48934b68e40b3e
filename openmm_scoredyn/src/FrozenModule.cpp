#include "FrozenModule.h"

#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <sstream>

#include "OperatorCheck.h"
#include "ProgramCheck.h"
#include "TorchErrors.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& name, const std::exception& error) {
    throw OpenMMException("ScoreProgram: cannot " + what + " " + name + ": " + reason(error) +
                          " Export the model again with this version of torch.");
}

torch::jit::Module load(const ModelFile& file, const c10::Device& device, const std::string& name) {
    requireQuietLoading(file.records(), name);
    try {
        std::istringstream stream(file.bytes());
        return torch::jit::load(stream, device);
    } catch (const std::exception& error) {
        refuse("load", name, error);
    }
}

torch::jit::Module freeze(torch::jit::Module module, std::vector<std::string> methods,
                          const std::string& name) {
    try {
        module.eval();
        // torch::jit::freeze insists on a method `forward`, which a score program need not have.
        return torch::jit::freeze_module(module, std::move(methods));
    } catch (const std::exception& error) {
        refuse("freeze", name, error);
    }
}

}  // namespace

torch::jit::Module loadFrozen(const ModelFile& file, const std::vector<std::string>& methods,
                              const c10::Device& device, const std::string& name) {
    // Freezing works on optimized graphs, even where the caller has switched them off
    // (torch.jit.optimized_execution).
    const torch::jit::GraphOptimizerEnabledGuard optimizing(true);
    const torch::jit::Module loaded = load(file, device, name);
    requireAllowedOperators(loaded, name);
    std::vector<std::string> found;
    for (const std::string& method : methods)
        if (loaded.find_method(method)) found.push_back(method);
    if (found.empty()) return loaded;
    const torch::jit::Module frozen = freeze(loaded, found, name);
    for (const std::string& method : found) {
        auto graph = frozen.get_method(method).graph();
        requirePureMethod(graph, method, name);
        // On a GPU it would join linear layers of one input, whose results then are slices that `view`
        // refuses.
        if (!device.is_cpu()) continue;
        try {
            torch::jit::OptimizeFrozenGraph(graph, true);
        } catch (const std::exception& error) {
            refuse("freeze", name, error);
        }
    }
    return frozen;
}

void requireSafeTorchScript(const ModelFile& file, const std::vector<std::string>& methods,
                            const std::string& name) {
    const torch::jit::Module module = loadFrozen(file, methods, c10::kCPU, name);
    for (const std::string& method : methods)
        if (!module.find_method(method))
            throw OpenMMException("ScoreProgram: " + name + " has no method `" + method +
                                  "`; expected one; export the model again.");
}

}  // namespace ScoreDynPlugin
