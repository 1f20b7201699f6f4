// The safetensors file format: an 8-byte length, a JSON header, raw little-endian tensors. Ours carry a checksum a
// tensor (XXH3-64, in the metadata under "xxh3"), which is verified where present.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fovea {

struct StoredTensor {
  std::string dtype;  // F64 F32 F16 BF16 I64 … I8 U64 … U8 BOOL; of any other one the values cannot be read
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
};

// A file, mapped and checked whole: header inside the file, offsets contiguous and without holes, shapes that match the
// sizes, checksums. Throws Error(Data) naming the file and the tensor, or what the file is instead.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return path_; }
  bool contains(const std::string& name) const { return tensors_.contains(name); }
  const StoredTensor& at(const std::string& name) const;

  // The values of a tensor of any floating or integer dtype, converted. Throws Error(Data) for other dtypes.
  template <class T>
  std::vector<T> read(const std::string& name) const;

 private:
  void parse_header(std::string_view header, std::span<const std::byte> payload);
  void verify_checksums() const;

  std::filesystem::path path_;
  std::shared_ptr<const std::byte> mapping_;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

// As write_file_atomically() does (files.h), with a checksum for each tensor. Throws Error(Data), and writes nothing,
// where names or metadata are not UTF-8 or too long: no reader would take the file.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, StoredTensor>& tensors,
                       std::map<std::string, std::string> metadata);

}  // namespace fovea
