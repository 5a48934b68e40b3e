#include "ScoreArchive.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "ScoreProgram.h"
#include "Sha256.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

ScoreArchive::ScoreArchive(std::string path, std::string bytes, const NativeCodePermission& permission)
    : path_(std::move(path)), bytes_(std::move(bytes)), sha256_(sha256Hex(bytes_.data(), bytes_.size())) {
    const ArchiveContent content = ScoreProgram::readArchive(bytes_);
    holdsNativeCode_ = content.holdsNativeCode;
    checkNativeCode(permission, holdsNativeCode_, sha256_,
                    path_.empty() ? "the program given as bytes" : path_);
    card_ = parseCard(content.cardJson);
}

std::shared_ptr<const ScoreArchive> ScoreArchive::fromFile(const std::string& path,
                                                           const NativeCodePermission& permission) {
    // A directory opens as a stream and only fails when read, with a less useful message.
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        throw OpenMMException("ScoreProgram: there is no file at " + path +
                              "; give the path of a score program.");
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (file) content << file.rdbuf();
    if (!file)
        throw OpenMMException("ScoreProgram: cannot read " + path + "; check the permissions of the file.");
    return std::shared_ptr<const ScoreArchive>(new ScoreArchive(
        std::filesystem::absolute(path).lexically_normal().string(), std::move(content).str(), permission));
}

std::shared_ptr<const ScoreArchive> ScoreArchive::fromBytes(std::string bytes,
                                                            const NativeCodePermission& permission) {
    return std::shared_ptr<const ScoreArchive>(new ScoreArchive("", std::move(bytes), permission));
}

}  // namespace ScoreDynPlugin
