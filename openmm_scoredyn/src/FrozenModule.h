#pragma once

#include <c10/core/Device.h>
#include <torch/script.h>

#include <string>
#include <vector>

#include "ModelFile.h"

namespace ScoreDynPlugin {

/// Load a TorchScript archive onto a device, see that it holds no operator that a program may not use, freeze
/// those of `methods` that it has, and see that they are pure. Nothing of it is run before the first of the
/// checks. Throws OpenMMException; `name` is what errors call the program.
torch::jit::Module loadFrozen(const ModelFile& file, const std::vector<std::string>& methods,
                              const c10::Device& device, const std::string& name);

}  // namespace ScoreDynPlugin
