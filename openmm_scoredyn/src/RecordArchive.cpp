#include "RecordArchive.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <limits>
#include <set>

#include "Crc32.h"
#include "Sha256.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

const std::string sumsRecord = "extra/SHA256SUMS";
constexpr std::string_view localSignature("PK\3\4", 4), centralSignature("PK\1\2", 4),
    endSignature("PK\5\6", 4);
constexpr size_t localSize = 30, centralSize = 46, endSize = 22;
constexpr size_t maxRecords = 65534, maxBytes = std::numeric_limits<uint32_t>::max() - 1;  // without Zip64

std::string littleEndian(uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xFF);
    return text;
}

/// What the two headers of a record share: version 2.0, no flags, stored, midnight of 1980-01-01, CRC, sizes,
/// name without extra fields.
std::string commonHeader(std::string_view name, uint32_t crc, size_t size) {
    return littleEndian(20, 2) + littleEndian(0, 6) + littleEndian(0x21, 2) + littleEndian(crc, 4) +
           littleEndian(size, 4) + littleEndian(size, 4) + littleEndian(name.size(), 2) + littleEndian(0, 2);
}

std::string localHeader(std::string_view name, const std::string& common) {
    return std::string(localSignature) + common + std::string(name);
}

std::string centralHeader(std::string_view name, const std::string& common, size_t offset) {
    return std::string(centralSignature) + littleEndian(20, 2) + common + littleEndian(0, 10) +
           littleEndian(offset, 4) + std::string(name);
}

std::string endRecord(size_t count, size_t offset, size_t size) {
    return std::string(endSignature) + littleEndian(0, 4) + littleEndian(count, 2) + littleEndian(count, 2) +
           littleEndian(size, 4) + littleEndian(offset, 4) + littleEndian(0, 2);
}

std::string sumOf(const Record& record) {
    return sha256Hex(record.second.data(), record.second.size()) + "  " + record.first + "\n";
}

std::string lowerCase(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

/// Why a record may not have this name, or nothing.
std::string flaw(std::string_view name) {
    const auto odd = [](unsigned char c) { return c < 0x20 || c > 0x7E || c == '\\' || c == ':'; };
    if (name.empty() || name.size() > 1024 || std::ranges::any_of(name, odd))
        return "a name that is not plain ASCII";
    for (size_t begin = 0; begin <= name.size();) {
        const size_t end = std::min(name.find('/', begin), name.size());
        const std::string_view part = name.substr(begin, end - begin);
        if (part.empty() || part == "." || part == "..") return "a name that leads out of its folder";
        begin = end + 1;
    }
    return name.find('/') == std::string_view::npos ? "a name without a folder" : "";
}

/// The zip file of these records, and nothing about their sums.
std::string writeZip(const std::vector<Record>& records) {
    std::string file, directory;
    for (const auto& [name, content] : records) {
        const std::string common = commonHeader(name, crc32(content), content.size());
        directory += centralHeader(name, common, file.size());
        file += localHeader(name, common);
        file += content;
        if (file.size() + directory.size() > maxBytes)
            throw OpenMMException("Archive: the records are too large; expected up to 4 GB; write less.");
    }
    const std::string end = endRecord(records.size(), file.size(), directory.size());
    return file += directory += end;
}

/// Reads the records of a zip file as writeZip writes it.
class ZipReader {
public:
    ZipReader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

    std::vector<Record> readAll() {
        if (bytes_.size() < endSize || bytes_.substr(bytes_.size() - endSize, 4) != endSignature)
            fail("it does not end as one, or is truncated");
        const size_t end = bytes_.size() - endSize;
        const size_t count = number(end + 10, 2), directory = number(end + 16, 4);
        if (count > maxRecords || directory > end) fail("its directory is damaged");
        require(end, endRecord(count, directory, end - directory),
                "its last bytes are damaged, or it was written by another program");
        std::vector<Record> records;
        size_t at = directory;
        position_ = 0;
        for (size_t i = 0; i < count; ++i) records.push_back(readRecord(at, directory));
        if (at != end || position_ != directory) fail("there are bytes between its records");
        return records;
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw OpenMMException(name_ + ": the file is not an archive of openmm-scoredyn: " + what +
                              "; get the file again, or write it again with this version.");
    }

    uint64_t number(size_t at, int bytes) const {
        uint64_t value = 0;
        for (int i = bytes; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes_[at + i]);
        return value;
    }

    void require(size_t at, const std::string& expected, const std::string& what) const {
        if (bytes_.compare(at, expected.size(), expected) != 0) fail(what);
    }

    /// The record whose directory entry is at `at`, which moves on; its own header is at position_.
    Record readRecord(size_t& at, size_t directory) {
        if (at + centralSize > bytes_.size()) fail("its directory is damaged");
        const uint32_t crc = static_cast<uint32_t>(number(at + 16, 4));
        const size_t size = number(at + 24, 4), nameSize = number(at + 28, 2);
        if (at + centralSize + nameSize > bytes_.size() ||
            position_ + localSize + nameSize + size > directory)
            fail("its directory is damaged");
        const std::string name(bytes_.substr(at + centralSize, nameSize));
        if (const std::string what = flaw(name); !what.empty()) fail("a record has " + what);
        const bool encrypted = number(at + 8, 2) & 1, compressed = number(at + 10, 2) != 0;
        if (encrypted || compressed)
            fail("the record " + name + " is " + (encrypted ? "encrypted" : "compressed"));
        const std::string common = commonHeader(name, crc, size);
        require(at, centralHeader(name, common, position_),
                "the directory entry of " + name + " is damaged, or written by another program");
        require(position_, localHeader(name, common),
                "the header of " + name + " is damaged, or written by another program");
        const std::string_view content = bytes_.substr(position_ + localSize + nameSize, size);
        if (crc32(content) != crc) fail("the record " + name + " is damaged, for its CRC is another");
        at += centralSize + nameSize;
        position_ += localSize + nameSize + size;
        return {name, content};
    }

    std::string_view bytes_;
    std::string name_;
    size_t position_ = 0;
};

}  // namespace

std::string writeRecordArchive(const std::vector<Record>& records) {
    std::string sums;
    for (const Record& record : records) {
        if (const std::string what = flaw(record.first); !what.empty())
            throw OpenMMException("Archive: a record has " + what + "; found '" + record.first +
                                  "'; rename it.");
        sums += sumOf(record);
    }
    if (records.empty()) throw OpenMMException("Archive: there are no records; give one or more.");
    std::vector<Record> all = records;
    all.emplace_back(records[0].first.substr(0, records[0].first.find('/') + 1) + sumsRecord, sums);
    std::string file = writeZip(all);
    RecordArchive(file, "Archive");  // refuses a name that stands twice, or another folder
    return file;
}

RecordArchive::RecordArchive(std::string_view bytes, const std::string& name) {
    const auto fail = [&](const std::string& what) {
        throw OpenMMException(name + ": " + what + "; get the file again, or write it again.");
    };
    std::vector<Record> found = ZipReader(bytes, name).readAll();
    if (found.empty()) fail("the archive has no records");
    const std::string folder = found[0].first.substr(0, found[0].first.find('/') + 1);
    if (found.back().first != folder + sumsRecord)
        fail("the archive has no sums of its records (" + sumsRecord + "); expected them as the last record");
    const std::string_view sums = found.back().second;
    found.pop_back();
    std::set<std::string> names;  // torch finds records whatever their case
    names.insert(lowerCase(folder + sumsRecord));
    std::string expected;
    for (const Record& record : found) {
        if (!names.insert(lowerCase(record.first)).second)
            fail("the record " + record.first + " stands twice");
        if (record.first.rfind(folder, 0) != 0)
            fail("the record " + record.first + " is in another folder than the others");
        const std::string sum = sumOf(record);
        if (sums.find(sum) == std::string_view::npos)
            fail("the record " + record.first + " is another than its SHA-256 says");
        expected += sum;
    }
    if (sums != expected) fail("the sums name other records than the archive holds");
    for (Record& record : found) record.first.erase(0, folder.size());
    records_ = std::move(found);
}

const std::string_view* RecordArchive::find(std::string_view record) const {
    const auto found = std::ranges::find_if(records_, [&](const Record& r) { return r.first == record; });
    return found == records_.end() ? nullptr : &found->second;
}

}  // namespace ScoreDynPlugin
