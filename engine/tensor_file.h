// A file of named tensors, of whichever format: safetensors (engine/safetensors.h) or PyTorch's
// (engine/pytorch/file.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

struct StoredTensor {
  std::string dtype;  // F64 F32 F16 BF16 I64 … I8 U64 … U8 BOOL; of any other one the values cannot be read
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  // from its first value to its last
  std::vector<int64_t> strides;     // in values, of each dimension; empty: in C order, without gaps
};

// Bytes of a value; 0: a dtype that is not known, which matters only for a tensor that is read.
size_t bytes_of_dtype(std::string_view dtype);

// Why values of a dtype cannot be read, and what to do: "has the dtype 'sparse', …"; empty: they can be.
std::string why_unreadable_dtype(std::string_view dtype);

// What a file holds, checked when it was opened. The bytes of tensors stay in the file, which is mapped.
class TensorFile {
 public:
  TensorFile(std::filesystem::path path, std::string format, std::shared_ptr<const std::byte> mapping,
             std::map<std::string, StoredTensor> tensors, std::map<std::string, std::string> metadata)
      : path_(std::move(path)),
        format_(std::move(format)),
        mapping_(std::move(mapping)),
        tensors_(std::move(tensors)),
        metadata_(std::move(metadata)) {}

  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return path_; }
  const std::string& format() const { return format_; }  // "safetensors", "PyTorch, its tensors under 'model'"
  bool contains(const std::string& name) const { return tensors_.contains(name); }
  // Throws Error(Data) where there is none.
  const StoredTensor& at(const std::string& name) const;

  // The values of a tensor of any floating or integer dtype, in C order, converted. Throws Error(Data) for other
  // dtypes, and for a view that repeats few values so often that they would fill the memory.
  template <class T>
  std::vector<T> read(const std::string& name) const;
  // The same without conversion, of any dtype whose size is known.
  std::vector<std::byte> read_bytes(const std::string& name) const;

 private:
  std::filesystem::path path_;
  std::string format_;
  std::shared_ptr<const std::byte> mapping_;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

// As `state_dict`: the moving average of the weights, under whichever of its usual keys.
inline constexpr const char* kAverageWeights = "ema";

// Of whichever format the file's content says, not its name. Throws Error(Data) naming the file and what is wrong, or
// what the file is instead. `state_dict`: the key of a PyTorch file under which to look for its tensors; empty: the
// usual ones (engine/pytorch/state_dict.h).
TensorFile open_tensor_file(const std::filesystem::path& path, const std::string& state_dict = "");

}  // namespace fovea
