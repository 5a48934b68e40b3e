#include "PrivateFile.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

namespace {

/// mkdtemp makes a folder of a new name with mode 0700, so nobody else can put a file into it or swap ours.
std::string makePrivateFolder() {
    std::error_code error;
    std::string folder = std::filesystem::temp_directory_path(error).string() + "/scoredyn-XXXXXX";
    if (error || mkdtemp(folder.data()) == nullptr)
        throw OpenMM::OpenMMException("ScoreProgram: cannot make a temporary folder like " + folder +
                                      "; expected a writable one; set TMPDIR to another place.");
    return folder;
}

}  // namespace

PrivateFile::PrivateFile(const std::string& name, const std::string& content)
    : folder_(makePrivateFolder()), name_(name) {
    std::ofstream file(path(), std::ios::binary);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.close();
    if (file) return;
    const std::string failed = path();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);  // the destructor does not run for what was not built
    throw OpenMM::OpenMMException("ScoreProgram: cannot write " + failed + "; expected room for " +
                                  std::to_string(content.size()) + " bytes; set TMPDIR to another place.");
}

PrivateFile::~PrivateFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

}  // namespace ScoreDynPlugin
