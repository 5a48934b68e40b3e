#include "NativeCode.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <mutex>
#include <set>

#include "openmm/OpenMMException.h"

namespace ScoreDynPlugin {

using OpenMM::OpenMMException;

namespace {

/// The files whose native code this process may run, by SHA-256.
class TrustedFiles {
public:
    void insert(const std::string& sha256) {
        const std::lock_guard<std::mutex> lock(mutex_);
        files_.insert(sha256);
    }
    bool contains(const std::string& sha256) {
        const std::lock_guard<std::mutex> lock(mutex_);
        return files_.count(sha256) > 0;
    }

private:
    std::mutex mutex_;
    std::set<std::string> files_;
};

TrustedFiles& trustedFiles() {
    static TrustedFiles files;
    return files;
}

std::string normalized(std::string sha256) {
    for (char& digit : sha256) digit = static_cast<char>(std::tolower(static_cast<unsigned char>(digit)));
    const bool valid =
        sha256.size() == 64 && sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!valid)
        throw OpenMMException("ScoreProgram: not a SHA-256; expected 64 hexadecimal digits, found '" +
                              sha256 + "'; give the sum that `sha256sum` prints.");
    return sha256;
}

}  // namespace

void trustNativeCode(const std::string& sha256) { trustedFiles().insert(normalized(sha256)); }

void checkNativeCode(const NativeCodePermission& permission, bool holdsNativeCode, const std::string& found,
                     const std::string& name) {
    const bool named = !permission.sha256.empty();
    if (named && normalized(permission.sha256) != found)
        throw OpenMMException("ScoreProgram: " + name +
                              " is another file than the one trusted; expected SHA-256 " +
                              normalized(permission.sha256) + ", found " + found +
                              "; do not use it unless you know why it changed.");
    if (!holdsNativeCode) return;
    if (named || permission.granted) trustedFiles().insert(found);
    if (trustedFiles().contains(found)) return;
    throw OpenMMException(
        "ScoreProgram: " + name +
        " holds native code (an AOTInductor package), which loading would run with your "
        "rights; expected your "
        "permission, found none; if you trust where it comes from, pass allow_native_code=True "
        "or its SHA-256, call "
        "openmm_scoredyn.trust_native_code('" +
        found + "') before XML that names it is read, or use the TorchScript program instead.");
}

void requireLoadableNativeCode() {
    std::error_code ignored;
    const std::string folder = std::filesystem::temp_directory_path(ignored).string();
    struct statvfs system{};
    if (statvfs(folder.c_str(), &system) != 0 || !(system.f_flag & ST_NOEXEC)) return;
    throw OpenMMException("ScoreProgram: native code cannot be loaded from the temporary folder " + folder +
                          ", for it is mounted noexec; expected a file system that allows it; set TMPDIR to "
                          "a folder on another one.");
}

}  // namespace ScoreDynPlugin
