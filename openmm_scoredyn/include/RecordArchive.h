#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ScoreDynPlugin {

/// The name and the content of one record of an archive.
using Record = std::pair<std::string, std::string_view>;

/// The content of an archive as openmm-scoredyn writes it: a zip file with one folder, whose records are
/// stored without compression one after the other, and whose last record, FOLDER/extra/SHA256SUMS, holds the
/// SHA-256 of all others in the format of `sha256sum`. There is one such file for given records, byte for
/// byte, so that a changed byte anywhere is found.
std::string writeRecordArchive(const std::vector<Record>& records);

/// An archive that was read and compared with its own sums. Nothing is inflated, copied or run.
class RecordArchive {
public:
    /// `bytes` must outlive this object. Throws OpenMMException, whose text begins with `name`, unless they
    /// are exactly what writeRecordArchive writes: no compressed, encrypted or hidden records, no name twice,
    /// no name that leads out of the folder, and the sums right.
    RecordArchive(std::string_view bytes, const std::string& name);

    /// All records but the sums; names without the folder.
    const std::vector<Record>& records() const { return records_; }
    /// The content of a record, or nullptr.
    const std::string_view* find(std::string_view record) const;

private:
    std::vector<Record> records_;
};

}  // namespace ScoreDynPlugin
