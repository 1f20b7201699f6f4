// Files as torchvision saves its classifiers: a backbone under the names that it has there, and what only classifies.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "engine/safetensors.h"
#include "model/names.h"
#include "tests/support/golden.h"

namespace fovea::test {

struct Classifier {
  const char* network;  // of tests/data/golden
  const char* prefix;   // of its backbone's layers
  std::vector<std::string> others;
};

inline const std::vector<Classifier>& classifiers() {
  static const std::vector<Classifier> all{
      {"narrow_resnext", "", {"fc.bias", "fc.weight"}},
      {"narrow_vgg", "features.", {"classifier.0.bias", "classifier.0.weight", "classifier.6.weight"}},
      {"narrow_vgg_bn", "features.", {"classifier.0.bias", "classifier.0.weight"}},
      {"narrow_inception", "", {"AuxLogits.conv0.conv.weight", "AuxLogits.fc.weight", "fc.bias", "fc.weight"}}};
  return all;
}

// With the count of batches that torchvision's norms keep.
inline void write_classifier(const std::filesystem::path& path, const Classifier& classifier) {
  const SafetensorsFile weights = golden(std::string(classifier.network) + ".weights");
  static constexpr std::byte kZeros[24]{};
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, tensor] : weights.tensors()) {
    if (!name.starts_with(names::kBackbone)) continue;
    const std::string bare = classifier.prefix + name.substr(std::string_view(names::kBackbone).size());
    tensors[bare] = tensor;
    if (const size_t variance = bare.rfind("running_var"); variance != std::string::npos)
      tensors[bare.substr(0, variance) + "num_batches_tracked"] = {"I64", {}, std::span(kZeros).first(8)};
  }
  for (const std::string& name : classifier.others) tensors[name] = {"F32", {2, 3}, std::span(kZeros)};
  write_safetensors(path, tensors, {});
}

}  // namespace fovea::test
