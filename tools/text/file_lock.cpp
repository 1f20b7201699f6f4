#include "tools/text/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "kernels/notice.h"

namespace fovea {
namespace {

std::string this_process() {
  char host[256] = {};
  gethostname(host, sizeof(host) - 1);
  return fmt::format("process {} on {}", getpid(), host);
}

std::string holder(int file) {
  char text[512];
  const ssize_t size = pread(file, text, sizeof(text), 0);
  return size > 0 ? printable(std::string(text, static_cast<size_t>(size))) : "";
}

// The file that was locked may have been removed, by the process that held it before, between its opening and that.
bool is_still_there(int file, const std::filesystem::path& path) {
  struct stat opened{}, named{};
  return fstat(file, &opened) == 0 && stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path, const std::string& who) : path_(path) {
  const std::string folder = printable(path.parent_path().native());
  while (true) {
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file_ < 0)
      throw Error(ErrorKind::Usage, fmt::format("{}: cannot write to the folder: {}", folder, reason_text(errno)));
    if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      std::string held_by = holder(file_);
      if (held_by.empty()) held_by = "which does not say its number";
      close(file_);
      file_ = -1;
      if (reason == EWOULDBLOCK)
        throw Error(ErrorKind::Usage, fmt::format("{}: another {} ({}) writes into this folder; wait for it, or choose "
                                                  "another folder",
                                                  folder, who, held_by));
      notice(fmt::format("{}: the folder cannot be locked ({}); make sure that no other {} writes into it", folder,
                         std::strerror(reason), who));
      return;
    }
    if (is_still_there(file_, path)) break;
    close(file_);
  }
  if (const std::string before = holder(file_); !before.empty() && !before.starts_with("process ")) {
    close(file_);
    throw Error(ErrorKind::Usage, fmt::format("{}: is in the way of a lock: move it", printable(path.native())));
  }
  const std::string text = this_process();
  if (ftruncate(file_, 0) != 0 || pwrite(file_, text.data(), text.size(), 0) < 0) {
    const int reason = errno;
    unlink(path.c_str());
    close(file_);
    throw Error(ErrorKind::Usage, fmt::format("{}: cannot write to the folder: {}", folder, reason_text(reason)));
  }
}

FileLock::~FileLock() {
  if (file_ < 0) return;
  unlink(path_.c_str());  // first: whoever opens it from here on makes a new one
  close(file_);
}

}  // namespace fovea
