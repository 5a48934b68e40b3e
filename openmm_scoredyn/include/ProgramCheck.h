#pragma once

#include <string>
#include <vector>

#include "ModelFile.h"

namespace ScoreDynPlugin {

/// See that a TorchScript archive may be loaded and its `methods` be run: what ScoreProgram demands of every
/// program, for those that something else runs. Throws OpenMMException; `name` is what errors call the
/// program.
void requireSafeTorchScript(const ModelFile& file, const std::vector<std::string>& methods,
                            const std::string& name);

/// Allow programs of this process an operator that is none of torch's, such as "library::operator": one that
/// computes its result of its arguments alone. Throws OpenMMException unless it is a qualified name.
void trustOperator(const std::string& name);

}  // namespace ScoreDynPlugin
