#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <sstream>

#include "ProgramRuntime.h"
#include "TorchErrors.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

class TorchScriptRuntime : public ProgramRuntime {
public:
    TorchScriptRuntime(const ScoreArchive& archive, const std::vector<ProgramMethod>& methods,
                       const c10::Device& device)
        : name_("'" + archive.card().name + "'") {
        // Freezing works on optimized graphs, even where the caller has switched them off
        // (torch.jit.optimized_execution).
        const torch::jit::GraphOptimizerEnabledGuard optimizing(true);
        try {
            std::istringstream stream(archive.bytes());
            module_ = torch::jit::load(stream, device);
        } catch (const std::exception& error) {
            refuse("load", error);
        }
        for (const ProgramMethod& method : methods) {
            require(method);
            methods_.push_back(method.name);
        }
        try {
            freeze();
        } catch (const std::exception& error) {
            refuse("freeze", error);
        }
    }

    c10::IValue run(const std::string& method, Arguments arguments) const override {
        // The profiling executor would compile again for every new batch size.
        const torch::jit::GraphOptimizerEnabledGuard noProfiling(false);
        // Kept from call to call, so that a step allocates nothing here.
        thread_local torch::jit::Stack stack;
        stack.assign(arguments.begin(), arguments.end());
        module_.get_method(method).run(stack);
        c10::IValue result = std::move(stack.back());
        stack.clear();
        return result;
    }

private:
    [[noreturn]] void refuse(const std::string& what, const std::exception& error) const {
        throw OpenMMException("ScoreProgram: cannot " + what + " " + name_ + ": " + reason(error) +
                              " Export the model again with this version of torch.");
    }

    void require(const ProgramMethod& method) const {
        const auto found = module_.find_method(method.name);
        if (!found)
            throw OpenMMException("ScoreProgram: " + name_ + " has no method `" + method.name +
                                  "`, which its card promises; export the model again.");
        const size_t count = found->function().getSchema().arguments().size() - 1;  // without self
        if (count != method.numArguments)
            throw OpenMMException("ScoreProgram: the method `" + method.name + "` of " + name_ +
                                  " takes the wrong arguments; expected " +
                                  std::to_string(method.numArguments) + ", found " + std::to_string(count) +
                                  "; export the model again.");
    }

    void freeze() {
        module_.eval();
        // torch::jit::freeze insists on a method `forward`, which a score program need not have.
        module_ = torch::jit::freeze_module(module_, methods_);
        for (const std::string& name : methods_) {
            auto graph = module_.get_method(name).graph();
            torch::jit::OptimizeFrozenGraph(graph, true);
        }
    }

    std::string name_;
    std::vector<std::string> methods_;
    torch::jit::Module module_;
};

}  // namespace

std::unique_ptr<ProgramRuntime> loadTorchScript(const ScoreArchive& archive,
                                                const std::vector<ProgramMethod>& methods,
                                                const c10::Device& device) {
    return std::make_unique<TorchScriptRuntime>(archive, methods, device);
}

}  // namespace ScoreDynPlugin
