#include "tools/data/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "kernels/error.h"

namespace fovea {
namespace {

// Bytes of the UTF-8 sequence at the start of `text`, or 0 where there is no valid one (RFC 3629: no overlong forms, no
// surrogates).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool out_of_range = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || out_of_range ? 0 : length;
}

}  // namespace

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

std::string printable(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    const uint8_t first = text[at];
    const bool c1_control = length == 2 && first == 0xC2 && static_cast<uint8_t>(text[at + 1]) < 0xA0;
    if (length == 0 || first < 0x20 || first == 0x7F || first == '\\') {
      out += fmt::format("\\x{:02x}", first);
      ++at;
    } else if (c1_control) {
      out += fmt::format("\\xc2\\x{:02x}", static_cast<uint8_t>(text[at + 1]));
      at += 2;
    } else {
      out += text.substr(at, length);
      at += length;
    }
  }
  return out;
}

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

FileHandle open_file(const std::filesystem::path& path) {
  std::error_code status;
  const auto type = std::filesystem::status(path, status).type();
  if (type == std::filesystem::file_type::not_found) throw failure_at(path, "no such file");
  if (status) throw failure_at(path, status.message());
  if (type != std::filesystem::file_type::regular) throw failure_at(path, "is not a regular file");
  FileHandle file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw failure_at(path, std::strerror(errno));
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
  if (std::fread(bytes.data(), 1, size, file.get()) != size) throw failure_at(path, "could not be read to its end");
  return bytes;
}

void write_file(const std::filesystem::path& path, std::span<const uint8_t> bytes) {
  const auto fail = [&]() -> Error {
    return {ErrorKind::Runtime,
            fmt::format("{}: cannot be written: {}", printable(path.native()), std::strerror(errno))};
  };
  FileHandle file(std::fopen(path.c_str(), "wb"), std::fclose);
  if (!file) throw fail();
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
  const bool closed = std::fclose(file.release()) == 0;  // a full disk may show only here
  if (!written || !closed) throw fail();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

}  // namespace fovea
