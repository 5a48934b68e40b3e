#include "ScoreArchive.h"

#include <utility>

namespace ScoreDynPlugin {

ScoreArchive::ScoreArchive(std::shared_ptr<const ModelFile> file, const NativeCodePermission& permission)
    : file_(std::move(file)) {
    checkNativeCode(permission, holdsNativeCode(), sha256(),
                    path().empty() ? "the program given as bytes" : path());
    card_ = parseCard(file_->cardJson());
}

std::shared_ptr<const ScoreArchive> ScoreArchive::fromFile(const std::string& path,
                                                           const NativeCodePermission& permission) {
    return std::shared_ptr<const ScoreArchive>(new ScoreArchive(ModelFile::fromFile(path), permission));
}

std::shared_ptr<const ScoreArchive> ScoreArchive::fromBytes(std::string bytes,
                                                            const NativeCodePermission& permission) {
    return std::shared_ptr<const ScoreArchive>(
        new ScoreArchive(ModelFile::fromBytes(std::move(bytes)), permission));
}

}  // namespace ScoreDynPlugin
