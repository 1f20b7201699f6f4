// A lock that one process at a time holds on a folder.
#pragma once
#include <filesystem>
#include <string>

namespace fovea {

// Holds the file open and locked as long as it lives, and removes it then; the system lets go of it when the process
// ends in any way. The file says which process on which machine holds it.
class FileLock {
 public:
  // Throws ErrorKind::Usage where another process holds it ("`folder`: another `who` (process 17 on host) …"), or the
  // file cannot be made. Where the file system has no locks, that is said on stderr and nothing is locked.
  FileLock(const std::filesystem::path& path, const std::string& who);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  std::filesystem::path path_;
  int file_ = -1;
};

}  // namespace fovea
