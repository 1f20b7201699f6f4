#include "engine/tensor_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/half.h"
#include "engine/mapped_file.h"
#include "engine/printable.h"
#include "engine/pytorch/file.h"
#include "engine/safetensors.h"
#include "kernels/error.h"
#include "kernels/launch/bfloat16.h"

namespace fovea {
namespace {

struct StoredDType {
  std::string_view name;
  size_t bytes;
  bool readable = true;
};
constexpr StoredDType kStoredDTypes[] = {{"F64", 8},
                                         {"F32", 4},
                                         {"F16", 2},
                                         {"BF16", 2},
                                         {"I64", 8},
                                         {"I32", 4},
                                         {"I16", 2},
                                         {"I8", 1},
                                         {"U64", 8},
                                         {"U32", 4},
                                         {"U16", 2},
                                         {"U8", 1},
                                         {"BOOL", 1},
                                         {"C64", 8, false},
                                         {"C128", 16, false},
                                         {"F8_E4M3", 1, false},
                                         {"F8_E5M2", 1, false},
                                         {"QI8", 1, false},
                                         {"QU8", 1, false},
                                         {"QI32", 4, false},
                                         {"QU4x2", 1, false},
                                         {"QU2x4", 1, false}};

bool is_readable(std::string_view dtype) {
  return std::any_of(std::begin(kStoredDTypes), std::end(kStoredDTypes),
                     [&](const StoredDType& known) { return known.name == dtype && known.readable; });
}

[[noreturn]] void refuse_tensor(const std::filesystem::path& path, const std::string& name, const std::string& why) {
  throw Error(ErrorKind::Data, fmt::format("{}: tensor '{}' {}", printable(path.native()), printable(name), why));
}

std::string unsupported(std::string_view dtype) {
  return fmt::format(
      "has the dtype '{}', which is not supported: in Python, save it as tensor.float(), .dequantize() or "
      ".to_dense()",
      printable(dtype));
}

// take(i, place): of each value in C order, where it lies, in values from the first.
template <class Take>
void for_each_value(const StoredTensor& tensor, size_t count, const Take& take) {
  if (tensor.strides.empty()) {
    for (size_t i = 0; i < count; ++i) take(i, i);
    return;
  }
  std::vector<int64_t> index(tensor.shape.size());
  int64_t place = 0;
  for (size_t i = 0; i < count; ++i) {
    take(i, static_cast<size_t>(place));
    for (size_t axis = index.size(); axis-- > 0;) {
      place += tensor.strides[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      place -= tensor.strides[axis] * tensor.shape[axis];
      index[axis] = 0;
    }
  }
}

template <class From, class T>
void convert(const StoredTensor& tensor, std::vector<T>& out) {
  for_each_value(tensor, out.size(), [&](size_t i, size_t place) {
    From value;
    std::memcpy(&value, tensor.data.data() + place * sizeof(From), sizeof(From));
    out[i] = static_cast<T>(value);  // NOLINT(bugprone-signed-char-misuse): I8 is a number here
  });
}

template <class T>
void convert_16_bits(const StoredTensor& tensor, std::vector<T>& out) {
  const bool is_brain = tensor.dtype == "BF16";
  for_each_value(tensor, out.size(), [&](size_t i, size_t place) {
    bfloat16 brain;
    std::memcpy(&brain.bits, tensor.data.data() + place * sizeof(brain.bits), sizeof(brain.bits));
    out[i] = static_cast<T>(is_brain ? static_cast<float>(brain) : float_of_half(brain.bits));
  });
}

// How many values it has; more than are stored where a view repeats them (PyTorch's expand()).
size_t count_of(const TensorFile& file, const std::string& name, const StoredTensor& tensor) {
  const size_t stored = tensor.data.size() / bytes_of_dtype(tensor.dtype);
  if (tensor.strides.empty()) return stored;
  constexpr size_t kMostRepeated = size_t{1} << 26;  // values
  size_t count = 1;
  for (const int64_t size : tensor.shape)
    if (__builtin_mul_overflow(count, static_cast<size_t>(size), &count) || count > std::max(stored, kMostRepeated))
      refuse_tensor(file.path(), name,
                    fmt::format("repeats {} stored values to more than {}: save a copy of it (.contiguous()) in Python",
                                stored, kMostRepeated));
  return count;
}

}  // namespace

size_t bytes_of_dtype(std::string_view dtype) {
  for (const StoredDType& known : kStoredDTypes)
    if (dtype == known.name) return known.bytes;
  return 0;
}

std::string why_unreadable_dtype(std::string_view dtype) { return is_readable(dtype) ? "" : unsupported(dtype); }

const StoredTensor& TensorFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) refuse_tensor(path_, name, "is not in it");
  return found->second;
}

std::vector<std::byte> TensorFile::read_bytes(const std::string& name) const {
  const StoredTensor& tensor = at(name);
  const size_t size = bytes_of_dtype(tensor.dtype);
  if (size == 0) refuse_tensor(path_, name, unsupported(tensor.dtype));
  std::vector<std::byte> out(count_of(*this, name, tensor) * size);
  for_each_value(tensor, out.size() / size, [&](size_t i, size_t place) {
    std::memcpy(out.data() + i * size, tensor.data.data() + place * size, size);
  });
  return out;
}

template <class T>
std::vector<T> TensorFile::read(const std::string& name) const {
  const StoredTensor& tensor = at(name);
  const std::string& dtype = tensor.dtype;
  if (!is_readable(dtype)) refuse_tensor(path_, name, unsupported(dtype));
  std::vector<T> out(count_of(*this, name, tensor));
  if (dtype == "F64")
    convert<double>(tensor, out);
  else if (dtype == "F32")
    convert<float>(tensor, out);
  else if (dtype == "I64")
    convert<int64_t>(tensor, out);
  else if (dtype == "I32")
    convert<int32_t>(tensor, out);
  else if (dtype == "I16")
    convert<int16_t>(tensor, out);
  else if (dtype == "I8")
    convert<int8_t>(tensor, out);
  else if (dtype == "U64")
    convert<uint64_t>(tensor, out);
  else if (dtype == "U32")
    convert<uint32_t>(tensor, out);
  else if (dtype == "U16")
    convert<uint16_t>(tensor, out);
  else if (dtype == "U8" || dtype == "BOOL")
    convert<uint8_t>(tensor, out);
  else
    convert_16_bits(tensor, out);
  return out;
}
template std::vector<double> TensorFile::read(const std::string&) const;
template std::vector<float> TensorFile::read(const std::string&) const;
template std::vector<int32_t> TensorFile::read(const std::string&) const;
template std::vector<int64_t> TensorFile::read(const std::string&) const;
template std::vector<uint8_t> TensorFile::read(const std::string&) const;

TensorFile open_tensor_file(const std::filesystem::path& path, const std::string& state_dict) {
  const MappedFile file = map_file(path);
  if (looks_like_pytorch(file.text())) return read_pytorch(path, file, state_dict);
  if (!state_dict.empty())
    throw Error(ErrorKind::Data, fmt::format("{}: is no PyTorch file, which could have tensors under '{}'",
                                             printable(path.native()), printable(state_dict)));
  return read_safetensors(path, file);
}

}  // namespace fovea
