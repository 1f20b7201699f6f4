#include "model/family_tensors.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/printable.h"
#include "model/backbone/backbone.h"
#include "model/fpn.h"
#include "model/heads.h"
#include "model/weight_names.h"

namespace fovea {
namespace {
constexpr int kLargestSize = 10'000'000;  // of a tensor's dimensions that say how large a network is
constexpr std::string_view kOdtkBackbones = "backbones.";
}  // namespace

void refuse_file(const TensorFile& file, const std::string& why) {
  throw Error(ErrorKind::Data, fmt::format("{}: {}", printable(file.path().native()), why));
}

FamilyTensors::FamilyTensors(const TensorFile& file, WeightFamily family)
    : file_(file), family_(family), names_(is_torchvision(family) ? names_taken(file) : bare_names(file)) {
  if (family == WeightFamily::Odtk) take_backbone_name();
}

std::string FamilyTensors::wanted(const std::string& own, const ModelConfig& config) const {
  if (is_torchvision(family_)) return own;
  std::string name = family_name(family_, own, config);
  // ODTK's names have its word for the backbone, which the file knows better.
  if (family_ == WeightFamily::Odtk && name.starts_with(kOdtkBackbones))
    name = std::string(kOdtkBackbones) + odtk_backbone_ + name.substr(name.find('.', kOdtkBackbones.size()));
  return name;
}

std::string FamilyTensors::find(const std::string& own, const ModelConfig& config) const {
  const auto found = names_.find(wanted(own, config));
  return found == names_.end() ? "" : found->second;
}

std::vector<int> FamilyTensors::shape(const std::string& own, size_t rank, const ModelConfig& config) const {
  const std::string name = find(own, config);
  if (name.empty()) refuse_missing(wanted(own, config));
  if (const std::string why = why_unreadable_dtype(at(name).dtype); !why.empty()) refuse(name, why);
  const std::vector<int64_t>& sizes = at(name).shape;
  const auto is_odd = [](int64_t size) { return size < 1 || size > kLargestSize; };
  if (sizes.size() != rank || std::any_of(sizes.begin(), sizes.end(), is_odd))
    refuse(name, fmt::format("has shape {}, which no RetinaNet has there", Shape(sizes).text()));
  return {sizes.begin(), sizes.end()};
}

void FamilyTensors::refuse(const std::string& tensor, const std::string& why) const {
  refuse_file(file_, fmt::format("tensor '{}' {} ({}'s names)", printable(tensor), why, traits_of(family_).program));
}

void FamilyTensors::refuse_missing(const std::string& tensor) const {
  refuse(tensor, "is missing: this is no RetinaNet that Fovea can build");
}

void FamilyTensors::take_backbone_name() {
  for (const auto& [name, in_file] : names_) {
    if (!name.starts_with(kOdtkBackbones)) continue;
    const size_t begin = kOdtkBackbones.size();
    const std::string backbone = name.substr(begin, name.find('.', begin) - begin);
    if (!odtk_backbone_.empty() && backbone != odtk_backbone_)
      refuse(in_file, fmt::format("is of a second backbone beside '{}'", printable(odtk_backbone_)));
    odtk_backbone_ = backbone;
  }
}

ParameterStore parameters_of(const ModelConfig& config) {
  ParameterStore store;
  const auto backbone = make_backbone(store, config.backbone);
  const Fpn fpn(store, config.fpn, backbone->channels());
  const Heads heads(store, config);
  return store;
}

ModelConfig with_anchors(ModelConfig config, int anchors) {
  if (config.anchors.per_location() == anchors) return config;
  config.anchors.octaves.assign(static_cast<size_t>(anchors), 0);
  config.anchors.ratios = {1};
  return config;
}

}  // namespace fovea
