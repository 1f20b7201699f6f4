// Which RetinaNet a file of weights is of, told from its tensors' names and shapes; and its tensors as Fovea names and
// keeps them.
#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor_file.h"
#include "model/config.h"
#include "model/weight_family.h"

namespace fovea {

struct Recognized {
  WeightFamily family = WeightFamily::Torchvision;
  ModelConfig model;  // what is not told by the tensors: as the family's networks usually have it
  int anchors_per_location = 0;
  std::array<double, 3> mean{}, deviation{};  // of the input, RGB, pixels in 0 … 1
  std::vector<std::string> assumed;           // keys of the configuration (tools/config) that the tensors do not tell
};

// In the metadata of a file under another program's names that Fovea wrote: the family's word.
inline constexpr const char* kNamesKey = "fovea.names";

// The family by its names; none: no detector of these. Of families with the same names the one that the file's metadata
// name, or the usual one. `named`: of the family that a user has named, an Error(Data) where the names are not that
// family's.
std::optional<WeightFamily> family_of(const TensorFile& file, std::optional<WeightFamily> named = std::nullopt);

// Throws Error(Data), with the tensor that tells so, where it is no RetinaNet that Fovea can build. Only the values of
// tensors that say how the network is used are read (detectron2's anchors and pixel means).
Recognized recognize(const TensorFile& file, std::optional<WeightFamily> named = std::nullopt);

// The file under torchvision's names and in its layout; what the network has not is left under its own name.
TensorFile as_own(const TensorFile& file, const Recognized& recognized);

// By the name that the network takes a tensor by, its name in the file.
std::map<std::string, std::string> names_taken(const TensorFile& file, const Recognized& recognized);

// Of a file that says itself which network it is of.
inline Recognized recognized_as(WeightFamily family, const ModelConfig& model) {
  return {.family = family, .model = model, .anchors_per_location = model.anchors.per_location()};
}

// "ResNet-50, P6 from P5, heads of 4 convolutions, 9 anchors a location, 91 classes".
std::string network_words(const ModelConfig& config);

}  // namespace fovea
