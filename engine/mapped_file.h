// A file's bytes, mapped into memory: read where they are asked for, and never copied whole.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace fovea {

struct MappedFile {
  std::shared_ptr<const std::byte> memory;  // null where the file is empty
  size_t size = 0;

  std::span<const std::byte> bytes() const { return {memory.get(), size}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(memory.get()), size}; }
};

// Throws Error(Data) where it is no regular file or cannot be read.
MappedFile map_file(const std::filesystem::path& path);

}  // namespace fovea
