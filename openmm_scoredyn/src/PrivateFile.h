#pragma once

#include <string>

namespace ScoreDynPlugin {

/// A temporary file with a given content in a folder that only this user can enter, gone with the object.
class PrivateFile {
public:
    /// Throws OpenMMException where it cannot be written.
    PrivateFile(const std::string& name, const std::string& content);
    ~PrivateFile();
    PrivateFile(const PrivateFile&) = delete;
    PrivateFile& operator=(const PrivateFile&) = delete;

    std::string path() const { return folder_ + "/" + name_; }

private:
    std::string folder_, name_;
};

}  // namespace ScoreDynPlugin
