#include "tools/text/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "kernels/interrupt.h"

namespace fovea {
namespace {

Error failure_at(const std::filesystem::path& path, std::string_view why) {
  return {ErrorKind::Data, fmt::format("{}: {}", printable(path.native()), why)};
}
}  // namespace

bool is_there(const std::filesystem::path& path) {
  std::error_code failure;
  return std::filesystem::exists(path, failure);
}

bool is_folder(const std::filesystem::path& path) {
  std::error_code failure;
  return std::filesystem::is_directory(path, failure);
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure)
    throw Error(ErrorKind::Usage,
                fmt::format("{}: cannot create the folder: {}", printable(folder.native()), failure.message()));
}

FileHandle open_file(const std::filesystem::path& path) {
  end_if_requested();  // a dataset is thousands of files
  std::error_code status;
  const auto type = std::filesystem::status(path, status).type();
  if (type == std::filesystem::file_type::not_found) throw failure_at(path, "no such file");
  if (status) throw failure_at(path, status.message());
  if (type != std::filesystem::file_type::regular) throw failure_at(path, "is not a regular file");
  FileHandle file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw cannot_read(path, errno);
  return file;
}

std::vector<uint8_t> read_file(const std::filesystem::path& path, uint64_t max_bytes, size_t spare_capacity) {
  const FileHandle file = open_file(path);
  std::error_code status;
  const uint64_t size = std::filesystem::file_size(path, status);
  if (status) throw failure_at(path, status.message());
  if (size > max_bytes) throw failure_at(path, fmt::format("has {} bytes, more than the limit of {}", size, max_bytes));
  std::vector<uint8_t> bytes;
  bytes.reserve(size + spare_capacity);
  bytes.resize(size);
  if (size > 0 && std::fread(bytes.data(), 1, size, file.get()) != size)
    throw failure_at(path, "cannot be read completely");
  return bytes;
}

void write_file(const std::filesystem::path& path, std::span<const uint8_t> bytes) {
  const auto fail = [&]() -> Error {
    return {ErrorKind::Runtime,
            fmt::format("{}: cannot be written: {}", printable(path.native()), std::strerror(errno))};
  };
  FileHandle file(std::fopen(path.c_str(), "wb"), std::fclose);
  if (!file) throw fail();
  const bool written = bytes.empty() || std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
  const bool closed = std::fclose(file.release()) == 0;  // a full disk may show only here
  if (!written || !closed) throw fail();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

}  // namespace fovea
