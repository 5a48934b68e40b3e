#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>

#include "FrozenModule.h"
#include "ProgramRuntime.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

class TorchScriptRuntime : public ProgramRuntime {
public:
    TorchScriptRuntime(const ScoreArchive& archive, const std::vector<ProgramMethod>& methods,
                       const c10::Device& device)
        : name_("'" + archive.card().name + "'") {
        std::vector<std::string> wanted;
        for (const ProgramMethod& method : methods) wanted.push_back(method.name);
        module_ = loadFrozen(archive.file(), wanted, device, name_);
        for (const ProgramMethod& method : methods)
            if (!method.optional || module_.find_method(method.name)) {
                require(method);
                methods_.push_back(method.name);
            }
    }

    bool has(const std::string& method) const override {
        return std::ranges::find(methods_, method) != methods_.end();
    }

    c10::IValue run(const std::string& method, at::TensorList arguments) const override {
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
