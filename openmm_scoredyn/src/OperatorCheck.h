#pragma once

#include <torch/script.h>

#include <string>
#include <string_view>

#include "ModelFile.h"

namespace ScoreDynPlugin {

/// Refuse what torch would run while it loads a TorchScript archive: methods that restore the state of an
/// object, and objects of compiled classes. Throws OpenMMException; `name` is what errors call the program.
void requireQuietLoading(const RecordArchive& records, const std::string& name);

/// Refuse a loaded module any of whose methods, hooks, functions or classes names an operator that is not in
/// the list of AllowedOperators.h. None of it is run. Throws OpenMMException.
void requireAllowedOperators(const torch::jit::Module& module, const std::string& name);

/// Refuse a frozen method that keeps state, writes to its inputs or weights, draws random numbers, or has a
/// loop that nothing bounds. Throws OpenMMException.
void requirePureMethod(const std::shared_ptr<torch::jit::Graph>& graph, const std::string& method,
                       const std::string& name);

}  // namespace ScoreDynPlugin
