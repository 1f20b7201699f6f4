#include "tools/text/file.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "kernels/interrupt.h"

namespace fovea {
namespace {

Error failure_at(const std::filesystem::path& path, std::string_view why) {
  return {ErrorKind::Data, fmt::format("{}: {}", printable(path.native()), why)};
}

// What lies there for a file of whatever kind: what to do about it; none otherwise. The file is left at its start.
const char* stand_in(FILE* file) {
  constexpr std::string_view lfs = "version https://git-lfs", gzip = "\x1f\x8b";
  const int first = std::getc(file);
  if (first == EOF) {
    static_cast<void>(std::fseek(file, 0, SEEK_SET));  // of a pipe, where there is nothing to go back to, it fails
    return nullptr;
  }
  std::ungetc(first, file);
  if (first != lfs[0] && first != gzip[0]) return nullptr;
  std::array<char, lfs.size()> start{};
  const std::string_view found(start.data(), std::fread(start.data(), 1, start.size(), file));
  static_cast<void>(std::fseek(file, 0, SEEK_SET));
  if (found == lfs) return "is a pointer of Git LFS, not the file itself: run git lfs pull";
  return found.starts_with(gzip) ? "is packed with gzip: unpack it (gzip -dc < FILE > NEW)" : nullptr;
}

}  // namespace

Error cannot_write(const std::filesystem::path& path) {
  return {ErrorKind::Runtime, fmt::format("{}: cannot be written: {}", printable(path.native()), reason_text(errno))};
}

bool is_there(const std::filesystem::path& path) {
  std::error_code failure;
  return std::filesystem::exists(path, failure);
}

std::filesystem::path true_path(const std::filesystem::path& path) {
  std::error_code failure;
  const std::filesystem::path whole = std::filesystem::absolute(path, failure);
  std::filesystem::path found = std::filesystem::weakly_canonical(whole, failure);
  return failure ? whole.lexically_normal() : found;
}

bool is_folder(const std::filesystem::path& path) {
  std::error_code failure;
  return std::filesystem::is_directory(path, failure);
}

bool is_file(const std::filesystem::path& path) {
  std::error_code failure;
  return std::filesystem::is_regular_file(path, failure);
}

bool is_special(const std::filesystem::path& path) {
  std::error_code failure;
  const auto type = std::filesystem::status(path, failure).type();
  using enum std::filesystem::file_type;
  return type == character || type == block || type == fifo || type == socket;
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure)
    throw Error(ErrorKind::Usage, fmt::format("{}: cannot create the folder: {}", printable(folder.native()),
                                              reason_text(failure.value())));
}

FileHandle open_file(const std::filesystem::path& path) {
  end_if_requested();  // a dataset is thousands of files
  std::error_code status;
  const auto type = std::filesystem::status(path, status).type();
  if (type == std::filesystem::file_type::not_found) throw failure_at(path, "no such file");
  if (status) throw failure_at(path, reason_text(status.value()));
  if (type != std::filesystem::file_type::regular) throw failure_at(path, "is not a regular file");
  FileHandle file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw cannot_read(path, errno);
  if (const char* const kind = stand_in(file.get())) throw failure_at(path, kind);
  return file;
}

std::vector<uint8_t> read_file(const std::filesystem::path& path, uint64_t max_bytes, size_t spare_capacity) {
  const FileHandle file = open_file(path);
  std::error_code status;
  const uint64_t size = std::filesystem::file_size(path, status);
  if (status) throw failure_at(path, reason_text(status.value()));
  if (size > max_bytes) throw failure_at(path, fmt::format("has {} bytes, more than the limit of {}", size, max_bytes));
  std::vector<uint8_t> bytes;
  bytes.reserve(size + spare_capacity);
  bytes.resize(size);
  if (size > 0 && std::fread(bytes.data(), 1, size, file.get()) != size)
    throw failure_at(path, "cannot be read completely");
  return bytes;
}

NewFile::NewFile(std::filesystem::path path)
    : path_(std::move(path)),
      written_(is_special(path_) ? path_.native() : path_.native() + ".partial"),
      file_(std::fopen(written_.c_str(), "wb"), std::fclose) {
  if (!file_) throw cannot_write(path_);
}

NewFile::~NewFile() {
  if (!file_) return;
  file_.reset();
  if (written_ != path_) std::remove(written_.c_str());
}

void NewFile::write(std::span<const uint8_t> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) throw cannot_write(path_);
}

void NewFile::keep() {
  const bool closed = std::fclose(file_.release()) == 0;  // a full disk may show only here
  if (closed && (written_ == path_ || std::rename(written_.c_str(), path_.c_str()) == 0)) return;
  const Error error = cannot_write(path_);
  if (written_ != path_) std::remove(written_.c_str());
  throw error;
}

void write_file(const std::filesystem::path& path, std::span<const uint8_t> bytes) {
  const Unbroken to_its_end;
  FileHandle file(std::fopen(path.c_str(), "wb"), std::fclose);
  if (!file) throw cannot_write(path);
  const bool written = bytes.empty() || std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
  const bool closed = std::fclose(file.release()) == 0;  // a full disk may show only here
  if (!written || !closed) throw cannot_write(path);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

}  // namespace fovea
