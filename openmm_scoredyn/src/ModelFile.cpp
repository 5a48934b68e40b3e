#include "ModelFile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "Json.h"
#include "Sha256.h"
#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

const char* const cardRecord = "extra/scoredyn.json";
constexpr size_t maxModelBytes = size_t(1) << 30, maxCardBytes = size_t(1) << 24;

/// An open file, closed with the object.
class OpenFile {
public:
    // Without waiting for the writer of a pipe.
    explicit OpenFile(const std::string& path)
        : file_(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {}
    ~OpenFile() {
        if (file_ >= 0) close(file_);
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    bool status(struct stat& found) const { return file_ >= 0 && fstat(file_, &found) == 0; }

    /// Fill `content`, and see that the file ends there.
    bool read(std::string& content) const {
        for (size_t done = 0; done <= content.size();) {
            char beyond;
            const bool full = done == content.size();
            const ssize_t n = full ? ::read(file_, &beyond, 1)
                                   : ::read(file_, content.data() + done, content.size() - done);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return n == 0 && full;
            done += static_cast<size_t>(n);
        }
        return false;
    }

private:
    int file_;
};

}  // namespace

std::string readRegularFile(const std::string& path, size_t maxBytes, const std::string& name) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        throw OpenMMException(name + ": there is no file at " + path + "; give the path of a score program.");
    const OpenFile file(path);
    struct stat found{};
    if (!file.status(found) || !S_ISREG(found.st_mode))
        throw OpenMMException(name + ": cannot read " + path + "; check the permissions of the file.");
    if (static_cast<size_t>(found.st_size) > maxBytes)
        throw OpenMMException(name + ": " + path + " is too large; expected up to " +
                              std::to_string(maxBytes) + " bytes, found " + std::to_string(found.st_size) +
                              "; give the path of a score program.");
    std::string content(static_cast<size_t>(found.st_size), '\0');
    if (!file.read(content))
        throw OpenMMException(name + ": cannot read " + path +
                              ", or it changed meanwhile; wait until nobody writes it any more.");
    return content;
}

ModelFile::ModelFile(std::string path, std::string bytes)
    : path_(std::move(path)),
      bytes_(std::move(bytes)),
      sha256_(sha256Hex(bytes_.data(), bytes_.size())),
      records_(bytes_, "ScoreProgram") {
    const std::string_view* card = records_.find(cardRecord);
    if (card == nullptr)
        throw OpenMMException(
            "ScoreProgram: the archive has no card (scoredyn.json); expected a score program; "
            "export the model with openmm_scoredyn.export_program.");
    if (card->size() > maxCardBytes)
        throw OpenMMException("Card: the text is too long; expected up to " + std::to_string(maxCardBytes) +
                              " bytes, found " + std::to_string(card->size()) + "; export the model again.");
    cardJson_ = *card;
    parseJson(cardJson_, "Card");
}

std::shared_ptr<const ModelFile> ModelFile::fromFile(const std::string& path) {
    std::string bytes = readRegularFile(path, maxModelBytes, "ScoreProgram");
    return std::shared_ptr<const ModelFile>(
        new ModelFile(std::filesystem::absolute(path).lexically_normal().string(), std::move(bytes)));
}

std::shared_ptr<const ModelFile> ModelFile::fromBytes(std::string bytes) {
    return std::shared_ptr<const ModelFile>(new ModelFile("", std::move(bytes)));
}

}  // namespace ScoreDynPlugin
