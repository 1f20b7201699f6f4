// Writes what torch.load(weights_only=True) reads.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "engine/tensor_file.h"

namespace fovea {

// The form since PyTorch 1.6. Without `optimizer` the file is the weights' dictionary alone, which
// load_state_dict() takes; else it is a dictionary with that under "model", and the optimizer's tensors under
// "optimizer". The metadata, which PyTorch does not look at, is an entry of its own (kMetadataEntry), and
// read_pytorch() gives it back. Written as write_file_atomically() does (files.h). Throws Error(Data) where a dtype or
// a name is none that PyTorch's files can hold.
void save_pytorch(const std::filesystem::path& path, const std::map<std::string, StoredTensor>& weights,
                  const std::map<std::string, StoredTensor>& optimizer,
                  const std::map<std::string, std::string>& metadata);

namespace pytorch {
inline constexpr const char* kMetadataEntry = "fovea.json";
inline constexpr const char *kModelKey = "model", *kOptimizerKey = "optimizer";
}  // namespace pytorch

}  // namespace fovea
