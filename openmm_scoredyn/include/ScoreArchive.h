#pragma once

#include <memory>
#include <string>

#include "Card.h"
#include "ModelFile.h"
#include "NativeCode.h"

namespace ScoreDynPlugin {

/// A score program as it lies on disk or in memory, read and checked as far as that needs no network: its
/// file and its card. Immutable, so that an integrator, its copies and its context share one.
class ScoreArchive {
public:
    /// Read a file. The path is kept in absolute form, because serialization refers to it.
    /// Throws OpenMMException if the file cannot be read, is no score program or a damaged one, has no valid
    /// card or holds native code that nobody trusted.
    static std::shared_ptr<const ScoreArchive> fromFile(const std::string& path,
                                                        const NativeCodePermission& permission = {});

    /// Take the content of such a file. The archive then has no path.
    static std::shared_ptr<const ScoreArchive> fromBytes(std::string bytes,
                                                         const NativeCodePermission& permission = {});

    /// Absolute path, empty for an archive made of bytes.
    const std::string& path() const { return file_->path(); }
    const std::string& bytes() const { return file_->bytes(); }
    /// Hexadecimal SHA-256 of the bytes.
    const std::string& sha256() const { return file_->sha256(); }
    const Card& card() const { return card_; }
    /// Whether it is an AOTInductor package, whose native code may run because somebody trusts it.
    bool holdsNativeCode() const { return file_->holdsNativeCode(); }
    const ModelFile& file() const { return *file_; }

private:
    ScoreArchive(std::shared_ptr<const ModelFile> file, const NativeCodePermission& permission);

    std::shared_ptr<const ModelFile> file_;
    Card card_;
};

}  // namespace ScoreDynPlugin
