// Writes files as torch.save() did before PyTorch 1.6, whose form has no checksums and takes few lines.
#pragma once
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "engine/tensor_file.h"

namespace fovea::test {

template <class T>
std::string bytes_of_number(T number) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &number, sizeof(T));
  return bytes;
}

// Instructions of a pickle.
inline std::string pickled(const std::string& text) {
  return "X" + bytes_of_number(static_cast<uint32_t>(text.size())) + text;
}
inline std::string pickled(int64_t number) { return "\x8a\x08" + bytes_of_number(number); }
inline std::string pickled_global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

// A tensor of fp32 in C order, in a storage of its own.
inline std::string pickled_tensor(const StoredTensor& tensor, const std::string& storage) {
  const auto count = static_cast<int64_t>(tensor.data.size() / sizeof(float));
  std::string sizes, strides;
  int64_t stride = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0; stride *= tensor.shape[axis]) {
    sizes = pickled(tensor.shape[axis]) + sizes;
    strides = pickled(stride) + strides;
  }
  return pickled_global("torch._utils", "_rebuild_tensor_v2") + "((" + pickled(std::string("storage")) +
         pickled_global("torch", "FloatStorage") + pickled(storage) + pickled(std::string("cpu")) + pickled(count) +
         "NtQ" + pickled(int64_t{0}) + "(" + sizes + "t(" + strides + "t\x89)tR";
}

// The tensors of fp32 under `key` (empty: alone), each by the name that `rename` gives it.
inline void write_pth(const std::filesystem::path& path, const std::map<std::string, StoredTensor>& tensors,
                      const std::function<std::string(const std::string&)>& rename, const std::string& key = "") {
  std::string state = "}(", storages;
  std::string keys = "](";
  for (const auto& [name, tensor] : tensors) {
    const std::string storage = std::to_string(storages.size());  // of no meaning, but each its own
    state += pickled(rename(name)) + pickled_tensor(tensor, storage);
    keys += pickled(storage);
    storages += bytes_of_number(static_cast<int64_t>(tensor.data.size() / sizeof(float)));
    storages.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
  }
  state += "u";
  if (!key.empty()) state = "}" + pickled(key) + state + "s";
  const std::string begin = "\x80\x02", magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  const std::string whole = begin + magic + begin + pickled(int64_t{1001}) + "." + begin + "}." + begin + state + "." +
                            begin + keys + "e." + storages;
  std::ofstream(path, std::ios::binary) << whole;
}

}  // namespace fovea::test
