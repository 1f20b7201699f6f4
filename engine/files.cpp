#include "engine/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/printable.h"
#include "kernels/error.h"

namespace fovea {

std::string reason_text(int reason) {
  const auto advice = [reason]() -> const char* {
    switch (reason) {
      case ENOSPC:
      case EDQUOT:
        return ": make room on its disk, or choose another place";
      case EACCES:
      case EPERM:
        return ": change its permissions (chmod)";
      case EROFS:
        return ": choose another place";
      case EMFILE:
      case ENFILE:
        return ": raise the limit (ulimit -n)";
      default:
        return "";
    }
  };
  return std::strerror(reason) + std::string(advice());
}

void fail_with_errno(const std::filesystem::path& path, const char* what) {
  throw Error(ErrorKind::Runtime, fmt::format("{}: {} failed: {}", printable(path.native()), what, reason_text(errno)));
}

Error cannot_read(const std::filesystem::path& path, int reason) {
  const bool too_many = reason == EMFILE || reason == ENFILE;
  const ErrorKind kind = too_many ? ErrorKind::Runtime : reason == ENOMEM ? ErrorKind::OutOfMemory : ErrorKind::Data;
  return {kind, fmt::format("{}: cannot be opened: {}", printable(path.native()), reason_text(reason))};
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts) {
  std::filesystem::path temporary = path;
  temporary += ".partial";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail_with_errno(path, "creating the file");
  const auto give_up = [&](const char* what) {
    const int reason = errno;
    close(file);
    unlink(temporary.c_str());
    errno = reason;
    fail_with_errno(temporary, what);
  };
  for (std::span<const std::byte> part : parts) {
    while (!part.empty()) {
      const ssize_t written = write(file, part.data(), part.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) give_up("writing");
      part = part.subspan(static_cast<size_t>(written));
    }
  }
  if (fsync(file) != 0) give_up("fsync");
  if (close(file) != 0) fail_with_errno(temporary, "close");
  if (rename(temporary.c_str(), path.c_str()) != 0) fail_with_errno(path, "rename");
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) fail_with_errno(folder, "opening the folder");
  const bool flushed = fsync(directory) == 0 || errno == EINVAL;  // some file systems cannot
  close(directory);
  if (!flushed) fail_with_errno(folder, "fsync of the folder");
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  const std::span<const std::byte> part = std::as_bytes(std::span(text));
  write_file_atomically(path, std::span(&part, 1));
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

}  // namespace fovea
