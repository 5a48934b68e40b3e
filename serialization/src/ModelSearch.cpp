#include "ModelSearch.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "Sha256.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace fs = std::filesystem;

namespace {

/// Score programs have these endings; other files of a folder may be large.
bool mayBeModel(const fs::directory_entry& entry) {
    std::error_code error;
    const std::string ending = entry.path().extension().string();
    return (ending == ".pt" || ending == ".pt2") && entry.is_regular_file(error);
}

std::string sumOf(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream content;
    content << stream.rdbuf();
    const std::string bytes = std::move(content).str();
    return sha256Hex(bytes.data(), bytes.size());
}

std::vector<fs::path> candidates(const std::string& path) {
    std::vector<fs::path> files;
    std::error_code error;
    if (fs::is_regular_file(path, error)) files.emplace_back(path);
    const char* const variable = std::getenv(modelPathVariable);
    std::istringstream folders(variable ? variable : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
        const size_t begin = files.size();
        for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
            if (mayBeModel(entry)) files.push_back(entry.path());
        std::sort(files.begin() + static_cast<std::ptrdiff_t>(begin), files.end());
    }
    return files;
}

}  // namespace

std::shared_ptr<const ScoreArchive> findModel(const std::string& path, const std::string& sha256) {
    std::string atPath = "no file";
    for (const fs::path& file : candidates(path)) {
        const std::string found = sumOf(file);
        if (found == sha256) return ScoreArchive::fromFile(file.string());
        if (file == fs::path(path)) atPath = found;
    }
    const char* const variable = std::getenv(modelPathVariable);
    throw OpenMM::OpenMMException(
        "ScoreDynamicsIntegrator: " + path + " is not the model that was serialized; expected SHA-256 " +
        sha256 + ", found " + atPath + ", and no .pt or .pt2 file of it in the folders of " +
        modelPathVariable + " (" + (variable && *variable ? variable : "not set") +
        "); restore the file, or name the folder it is in with " + modelPathVariable + ".");
}

}  // namespace ScoreDynPlugin
