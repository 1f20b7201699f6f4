// Weights from one file to another: another format, other names, another dtype.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/recognize.h"
#include "model/weights.h"
#include "tools/config/config.h"

namespace fovea {

struct Conversion {
  std::filesystem::path in, out;         // `out`: .safetensors, or PyTorch's .pth or .pt
  std::string state_dict;                // as of open_tensor_file()
  std::optional<WeightFamily> names_in;  // as of recognize()
  WeightFamily names_out = WeightFamily::Torchvision;
  std::string dtype;     // of floating weights: F32, F16, BF16, without the optimizer's state; empty: each as it is
  bool strip = false;    // without the optimizer's state
  bool average = false;  // the moving average of the weights, without the optimizer's state
  NonFinite non_finite = NonFinite::Refuse;
};

struct Converted {
  std::string format;                    // of `in`, in words
  std::optional<Config> config;          // of the detector; none: it is of no detector
  std::optional<Recognized> recognized;  // where `in` does not say itself what network it is of
  size_t tensors = 0;                    // weights that were written
  bool has_optimizer = false;
  std::vector<std::string> left_out;  // tensors that the network does not have, by their names in `in`
};

// Throws Error(Usage) where the name of `out` tells no format.
void require_known_format(const std::filesystem::path& out);

// A detector's tensors get the names and the layout of another program, and its file holds its configuration
// afterwards, in metadata; of another file the tensors keep their names, without wrappers' prefixes. Bits change only
// where `dtype` is another. Written whole or not at all. Throws Error(Data) where `in` is no file of weights, holds
// numbers that are not finite or too large for the dtype, or a network that the other program does not have.
Converted convert_weights(const Conversion& wanted);

}  // namespace fovea
