// Files that torch.save() wrote: since PyTorch 1.6 a zip (archive.h) with a pickle and an entry for each storage;
// before that, and with _use_new_zipfile_serialization=False, five pickles and then the storages one after another.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "engine/mapped_file.h"
#include "engine/tensor_file.h"

namespace fovea {

// By the first bytes: a zip, or a pickle.
bool looks_like_pytorch(std::string_view file);

// The tensors of a state dict (state_dict.h), as views into the mapped file. Nothing of the file is executed: of what
// its pickle names, only containers, tensors and storages are made (globals.h). Every tensor lies within its storage,
// and the checksums of all storages that are used, and of the pickle, are right; the form before 1.6 has none. Throws
// Error(Data) naming the file and what is wrong, or what the file is instead.
TensorFile read_pytorch(const std::filesystem::path& path, const MappedFile& file, const std::string& state_dict = "");

namespace pytorch {

// The tensors and where they were found, of a file in memory; `name`: printable.
struct PyTorchContent {
  std::string format;
  std::map<std::string, StoredTensor> tensors;
};
PyTorchContent read_content(std::string_view file, const std::string& name, const std::string& state_dict = "");

}  // namespace pytorch

}  // namespace fovea
