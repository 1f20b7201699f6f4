// The safetensors file format: an 8-byte length, a JSON header, raw little-endian tensors. Ours carry a checksum a
// tensor (XXH3-64, in the metadata under "xxh3"), which is verified where present.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "engine/mapped_file.h"
#include "engine/tensor_file.h"

namespace fovea {

// As TensorFile, checked whole: header inside the file, offsets contiguous and without holes, shapes that match the
// sizes, checksums. Throws Error(Data) naming the file and the tensor, or what the file is instead.
TensorFile read_safetensors(const std::filesystem::path& path, const MappedFile& file);

// A file that can be of no other format: checkpoints.
class SafetensorsFile : public TensorFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path) : TensorFile(read_safetensors(path, map_file(path))) {}
};

// As write_file_atomically() does (files.h), with a checksum for each tensor. Throws Error(Data), and writes nothing,
// where names or metadata are not UTF-8 or too long: no reader would take the file.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, StoredTensor>& tensors,
                       std::map<std::string, std::string> metadata);

}  // namespace fovea
