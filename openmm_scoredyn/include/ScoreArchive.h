#pragma once

#include <memory>
#include <string>

#include "Card.h"
#include "NativeCode.h"

namespace ScoreDynPlugin {

/// What can be read of a file without running any of it.
struct ArchiveContent {
    std::string cardJson;
    bool holdsNativeCode;  ///< whether it is an AOTInductor package
};

/// A score program as it lies on disk or in memory, read and checked as far as that needs no network: its
/// bytes, their SHA-256 and its card. Immutable, so that an integrator, its copies and its context share one.
class ScoreArchive {
public:
    /// Read a file. The path is kept in absolute form, because serialization refers to it.
    /// Throws OpenMMException if the file cannot be read, is no score program, has no valid card or holds
    /// native code that nobody vouched for.
    static std::shared_ptr<const ScoreArchive> fromFile(const std::string& path,
                                                        const NativeCodePermission& permission = {});

    /// Take the content of such a file. The archive then has no path.
    static std::shared_ptr<const ScoreArchive> fromBytes(std::string bytes,
                                                         const NativeCodePermission& permission = {});

    /// Absolute path, empty for an archive made of bytes.
    const std::string& path() const { return path_; }
    const std::string& bytes() const { return bytes_; }
    /// Hexadecimal SHA-256 of the bytes.
    const std::string& sha256() const { return sha256_; }
    const Card& card() const { return card_; }
    /// Whether it is an AOTInductor package, whose native code may run because somebody vouched for it.
    bool holdsNativeCode() const { return holdsNativeCode_; }

private:
    ScoreArchive(std::string path, std::string bytes, const NativeCodePermission& permission);

    std::string path_;
    std::string bytes_;
    std::string sha256_;
    bool holdsNativeCode_;
    Card card_;
};

}  // namespace ScoreDynPlugin
