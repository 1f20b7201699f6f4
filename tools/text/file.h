// Whole files in and out, with errors that name the file.
#pragma once
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/error.h"
#include "tools/text/stop.h"

namespace fovea {

// Of a name that data or a user says. One that no file can have (too long, beyond a file as if it were a folder, in a
// folder that may not be entered) is that of none, where std::filesystem would throw.
bool is_there(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);  // a regular one
// Where it truly is, through whatever links; of a name that no file can have, the whole path.
std::filesystem::path true_path(const std::filesystem::path& path);

// Whether the name is that of a device, a pipe or a socket.
bool is_special(const std::filesystem::path& path);

// And the folders above it, for output. Throws ErrorKind::Usage where that cannot be.
void make_folder(const std::filesystem::path& folder);

using FileHandle = std::unique_ptr<FILE, int (*)(FILE*)>;
// For reading. Throws ErrorKind::Data when the path is missing, no regular file, or unreadable, and where it is a
// pointer of Git LFS or packed with gzip.
FileHandle open_file(const std::filesystem::path& path);

// Throws what open_file throws, and ErrorKind::Data when the file is larger than `max_bytes`.
// The vector has room for `spare_capacity` more bytes (simdjson reads past the end).
std::vector<uint8_t> read_file(const std::filesystem::path& path, uint64_t max_bytes = UINT64_MAX,
                               size_t spare_capacity = 0);

// A file that is written piece by piece and replaces `path` when it is whole; without keep() it is gone again. A device
// or a pipe is written to as it is.
class NewFile {
 public:
  // Throws ErrorKind::Runtime, as the others do, when it cannot be written.
  explicit NewFile(std::filesystem::path path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::span<const uint8_t> bytes);
  void keep();

 private:
  const Unbroken to_its_end_;
  std::filesystem::path path_, written_;
  FileHandle file_;
};

// ErrorKind::Runtime, with errno's reason.
Error cannot_write(const std::filesystem::path& path);

// Throws ErrorKind::Runtime when the bytes cannot all be written.
void write_file(const std::filesystem::path& path, std::span<const uint8_t> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace fovea
