// A file of another program as one of Fovea's own.
#include <deque>
#include <memory>

#include "model/family_tensors.h"
#include "model/recognize.h"

namespace fovea {

std::map<std::string, std::string> names_taken(const TensorFile& file, const Recognized& recognized) {
  const FamilyTensors tensors(file, recognized.family);
  if (is_torchvision(recognized.family)) return tensors.names();
  const ModelConfig model = with_anchors(recognized.model, recognized.anchors_per_location);
  std::map<std::string, std::string> taken, rest;
  for (const auto& [name, in_file] : tensors.names()) rest.emplace(in_file, name);
  const ParameterStore store = parameters_of(model);
  for (const Parameter& p : store.all()) {
    const std::string in_file = tensors.find(p.name, model);
    if (in_file.empty()) continue;
    taken.emplace(p.name, in_file);
    rest.erase(in_file);
  }
  for (const auto& [in_file, name] : rest)
    if (!taken.emplace(name, in_file).second) taken.emplace(in_file, in_file);
  return taken;
}

TensorFile as_own(const TensorFile& file, const Recognized& recognized) {
  if (is_torchvision(recognized.family)) return file;
  struct Held {
    TensorFile file;
    std::deque<std::vector<std::byte>> made;
  };
  const auto held = std::make_shared<Held>(Held{file, {}});
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [own, in_file] : names_taken(file, recognized)) {
    StoredTensor tensor = file.at(in_file);
    if (is_rearranged(recognized.family, own)) {
      held->made.push_back(
          from_family(recognized.family, own, file.read_bytes(in_file), tensor.shape, recognized.model));
      tensor.data = held->made.back();
      tensor.strides.clear();
    }
    tensors.emplace(own, std::move(tensor));
  }
  return {file.path(), file.format(), std::shared_ptr<const std::byte>(held, nullptr), std::move(tensors),
          file.metadata()};
}

}  // namespace fovea
