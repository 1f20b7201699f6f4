// The tensors of a network of one family in a file, found by the network's own names.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/parameters.h"
#include "engine/tensor_file.h"
#include "model/config.h"
#include "model/weight_family.h"

namespace fovea {

// Throws Error(Data): the file, and why it is refused.
[[noreturn]] void refuse_file(const TensorFile& file, const std::string& why);

class FamilyTensors {
 public:
  // Throws Error(Data) where it has two backbones.
  FamilyTensors(const TensorFile& file, WeightFamily family);

  // The name under which `own` is looked for; the tensor's name in the file, or "" where there is none.
  std::string wanted(const std::string& own, const ModelConfig& config) const;
  std::string find(const std::string& own, const ModelConfig& config) const;
  // Throws Error(Data) where there is none, or one of another rank, or with a size that no network has.
  std::vector<int> shape(const std::string& own, size_t rank, const ModelConfig& config) const;

  const StoredTensor& at(const std::string& in_file) const { return file_.at(in_file); }
  const std::map<std::string, std::string>& names() const { return names_; }  // all of the file, by bare name
  [[noreturn]] void refuse(const std::string& tensor, const std::string& why) const;
  [[noreturn]] void refuse_missing(const std::string& tensor) const;

 private:
  void take_backbone_name();

  const TensorFile& file_;
  WeightFamily family_;
  std::map<std::string, std::string> names_;
  std::string odtk_backbone_;
};

// All parameters of a network, of which nothing is allocated.
ParameterStore parameters_of(const ModelConfig& config);

// With so many anchors a location, whatever they are.
ModelConfig with_anchors(ModelConfig config, int anchors);

}  // namespace fovea
