#pragma once

#include <memory>
#include <string>
#include <vector>

#include "RecordArchive.h"

namespace ScoreDynPlugin {

/// Read a regular file of at most `maxBytes` bytes. Devices, pipes and folders are refused before anything is
/// read of them. Throws OpenMMException, whose text begins with `name`.
std::string readRegularFile(const std::string& path, size_t maxBytes, const std::string& name);

/// The file of a model of any kind, read, compared with the sums in it, and with a card that is JSON. Nothing
/// of it is run. Immutable.
class ModelFile {
public:
    /// Throws OpenMMException if the file cannot be read, is damaged, or holds no card.
    static std::shared_ptr<const ModelFile> fromFile(const std::string& path);
    /// Take the content of such a file, which then has no path.
    static std::shared_ptr<const ModelFile> fromBytes(std::string bytes);
    ModelFile(const ModelFile&) = delete;
    ModelFile& operator=(const ModelFile&) = delete;

    /// Absolute path, empty for a file that was given as bytes.
    const std::string& path() const { return path_; }
    const std::string& bytes() const { return bytes_; }
    /// Hexadecimal SHA-256 of the bytes.
    const std::string& sha256() const { return sha256_; }
    const std::string& cardJson() const { return cardJson_; }
    /// Whether it is an AOTInductor package.
    bool holdsNativeCode() const { return records_.find("archive_format") != nullptr; }
    const RecordArchive& records() const { return records_; }

private:
    ModelFile(std::string path, std::string bytes);

    std::string path_;
    std::string bytes_;
    std::string sha256_;
    RecordArchive records_;
    std::string cardJson_;
};

}  // namespace ScoreDynPlugin
