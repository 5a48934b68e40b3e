#pragma once

#include <memory>
#include <string>

#include "ScoreArchive.h"

namespace ScoreDynPlugin {

/// Environment variable with the folders to search, separated by colons.
inline const char* const modelPathVariable = "SCOREDYN_MODEL_PATH";

/// The model of that SHA-256: at `path`, where it was when it was serialized, or else any file of a folder of
/// SCOREDYN_MODEL_PATH. Throws OpenMMException where there is none.
std::shared_ptr<const ScoreArchive> findModel(const std::string& path, const std::string& sha256);

}  // namespace ScoreDynPlugin
