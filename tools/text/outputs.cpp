#include "tools/text/outputs.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/content_hash.h"
#include "tools/text/file.h"
#include "tools/text/stop.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// Where writing to `file` ends up: a link may lead to a file that does not exist yet.
fs::path target_of(fs::path file) {
  std::error_code failure;
  for (int links = 0; links < 40 && fs::is_symlink(file, failure); ++links) {
    const fs::path next = fs::read_symlink(file, failure);
    if (failure) break;
    file = file.parent_path() / next;
  }
  return file;
}

// The same for all names of a file; empty where there is none and none can be made.
std::string identity(const fs::path& file) {
  struct stat status{};
  std::error_code failure;
  fs::path target = file;
  if (stat(target.c_str(), &status) != 0) {  // also of "none/..", which making the folder "none" makes the parent
    target = fs::weakly_canonical(fs::absolute(target_of(file), failure), failure);
    if (failure) return "";
    if (stat(target.c_str(), &status) != 0) return target.native();
  }
  return fmt::format("{}:{}", status.st_dev, status.st_ino);
}

bool is_unedited(const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(file);
  const std::string text(bytes.begin(), bytes.end());
  return text == with_checksum(std::string_view(text).substr(std::min(text.find('\n'), text.size() - 1) + 1));
}

}  // namespace

bool is_same_file(const fs::path& a, const fs::path& b) {
  const std::string which = identity(a);
  return !which.empty() && which == identity(b);
}

void FilesInUse::input(const fs::path& file) {
  if (!file.empty() && !is_special(file)) inputs_.emplace(identity(file), file);
}

void FilesInUse::output(const fs::path& file) {
  const std::string which = identity(file);
  if (file.empty() || which.empty() || is_special(file)) return;
  if (const auto read = inputs_.find(which); read != inputs_.end())
    throw Error(ErrorKind::Usage, fmt::format("{}: would overwrite the input {}: choose another output",
                                              printable(file.native()), printable(read->second.native())));
  const auto [written, added] = outputs_.emplace(which, file);
  if (!added)
    throw Error(ErrorKind::Usage, fmt::format("{}: is the same file as the output {}: give each output its own",
                                              printable(file.native()), printable(written->second.native())));
}

std::string with_checksum(std::string_view text) {
  const std::span bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return fmt::format("{}{}\n{}", kUnedited, content_hash(bytes), text);
}

bool may_replace(const fs::path& file, std::initializer_list<std::string_view> marks) {
  if (!is_there(file) || is_special(file)) return true;
  if (is_folder(file)) return false;
  std::array<char, 512> bytes{};
  const FileHandle opened = open_file(file);
  const std::string_view head(bytes.data(), std::fread(bytes.data(), 1, bytes.size(), opened.get()));
  const auto has = [&](std::string_view mark) {
    return mark == kUnedited ? head.starts_with(mark) && is_unedited(file) : head.find(mark) != head.npos;
  };
  return head.empty() || std::any_of(marks.begin(), marks.end(), has);
}

void require_replaceable(const fs::path& file, std::initializer_list<std::string_view> marks) {
  if (!may_replace(file, marks))
    throw Error(ErrorKind::Usage,
                fmt::format("{}: was not written by Fovea, and would be overwritten: choose another output, or move it",
                            printable(file.native())));
}

void require_writable(const fs::path& file) {
  if (is_special(file)) return;
  const fs::path target = target_of(file);
  if (is_folder(target)) {
    errno = EISDIR;
    throw cannot_write(file);
  }
  if (is_there(target) && access(target.c_str(), W_OK) != 0) throw cannot_write(file);
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (access(folder.c_str(), W_OK | X_OK) != 0) throw cannot_write(file);
}

void write_list(const fs::path& file, std::string_view lines) {
  write_file(file, fmt::format("# {}\n{}", kMark, lines));
}

void check_outputs(std::initializer_list<std::string_view> inputs, std::initializer_list<std::string_view> outputs) {
  FilesInUse files;
  for (const std::string_view input : inputs) files.input(input);
  for (const std::string_view output : outputs) {
    if (output.empty()) continue;
    files.output(output);
    require_writable(output);
    require_replaceable(output);
  }
}

void require_writable_folder(const fs::path& folder) {
  std::error_code failure;
  fs::path there = fs::absolute(folder, failure);
  while (!is_there(there) && there.has_relative_path()) there = there.parent_path();
  errno = ENOTDIR;
  if (!is_folder(there) || access(there.c_str(), W_OK | X_OK) != 0) throw cannot_write(folder);
}

void make_writable_folder(const fs::path& folder) {
  make_folder(folder);
  if (access(folder.c_str(), W_OK | X_OK) != 0) throw cannot_write(folder);
}

void flush_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  if (errno == EPIPE) throw Error(ErrorKind::Interrupted, "");
  throw Error(ErrorKind::Runtime, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

void write_output(const fs::path& file, std::string_view text) {
  const Unbroken to_its_end;
  if (is_special(file))
    write_file(file, text);
  else
    write_file_atomically(target_of(file), text);
}

}  // namespace fovea
