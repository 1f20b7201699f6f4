#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/printable.h"
#include "kernels/advice.h"
#include "model/names.h"
#include "model/weight_names.h"

namespace fovea {

namespace {

std::vector<int64_t> torchvision_shape(const Parameter& p) {
  if (p.role != ParameterRole::ConvWeight) return p.shape.sizes();
  return {p.shape[0], p.shape[3], p.shape[1], p.shape[2]};
}

// [a, b, c] to [a, c, b].
std::vector<float> swap_last_two(const std::vector<float>& values, int64_t a, int64_t b, int64_t c) {
  std::vector<float> swapped(values.size());
  for (int64_t i = 0; i < a; ++i)
    for (int64_t j = 0; j < b; ++j)
      for (int64_t k = 0; k < c; ++k)
        swapped[static_cast<size_t>((i * c + k) * b + j)] = values[static_cast<size_t>((i * b + j) * c + k)];
  return swapped;
}

std::vector<float> from_torchvision(const Parameter& p, std::vector<float> values) {
  if (p.role != ParameterRole::ConvWeight) return values;
  return swap_last_two(values, p.shape[0], p.shape[3], p.shape[1] * p.shape[2]);
}

constexpr const char* kBatchCount = ".num_batches_tracked";  // of torchvision's norms, which only count with it
constexpr const char* kVggFeatures = "features.";            // as torchvision's classifiers call VGG's layers

using Names = std::map<std::string, std::string>;

// The parameter's name in the file; its own where it is not there.
std::string name_in_file(const Names& taken, const Parameter& p) {
  if (const auto found = taken.find(p.name); found != taken.end()) return found->second;
  if (p.name.starts_with(names::kBackbone)) {
    const std::string bare = p.name.substr(std::string_view(names::kBackbone).size());
    for (const char* prefix : {"", kVggFeatures})
      if (const auto found = taken.find(prefix + bare); found != taken.end()) return found->second;
  }
  return p.name;
}

}  // namespace

int classes_of(const TensorFile& file, const ModelConfig& config) {
  const Names taken = names_taken(file);
  const auto found = taken.find(names::logits_bias());
  if (found == taken.end())
    throw Error(ErrorKind::Data,
                fmt::format("{}: holds no detector (no tensor '{}'); weights of a backbone alone can start a "
                            "training, no more",
                            printable(file.path().native()), names::logits_bias()));
  const std::vector<int64_t>& shape = file.at(found->second).shape;
  const int anchors = config.anchors.per_location();
  constexpr int64_t kMostClasses = 1'000'000;
  if (shape.size() != 1 || shape[0] < anchors || shape[0] % anchors != 0 || shape[0] / anchors > kMostClasses)
    throw Error(ErrorKind::Data,
                fmt::format("{}: tensor '{}' has shape {}, which is no number of classes for {} anchors",
                            printable(file.path().native()), printable(found->second), Shape(shape).text(), anchors));
  return static_cast<int>(shape[0]) / anchors;
}

std::vector<float> to_torchvision(const Parameter& p, const std::vector<float>& values) {
  if (p.role != ParameterRole::ConvWeight) return values;
  return swap_last_two(values, p.shape[0], p.shape[1] * p.shape[2], p.shape[3]);
}

void HostTensors::add(const std::string& name, std::vector<int64_t> shape, std::vector<float> values) {
  memory_.push_back(std::move(values));
  tensors_[name] = {"F32", std::move(shape), std::as_bytes(std::span(memory_.back()))};
}

void HostTensors::add(const std::string& name, const Tensor& tensor) {
  add(name, tensor.shape().sizes(), tensor.to_host<float>());
}

void HostTensors::add_parameters(const ParameterStore& store) {
  for (const Parameter& p : store.all()) add(p.name, torchvision_shape(p), to_torchvision(p, p.value.to_host<float>()));
}

void require_finite(const TensorFile& file, const std::string& tensor, NonFinite non_finite) {
  if (non_finite == NonFinite::Take) return;
  const auto values = file.read<float>(tensor);
  const auto bad = std::count_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad > 0)
    throw Error(
        ErrorKind::Data,
        fmt::format("{}: tensor '{}' holds numbers that are not finite ({} of {}): use another checkpoint, or {}",
                    printable(file.path().native()), printable(tensor), bad, values.size(),
                    advise(advice::kAllowNonFinite)));
}

WeightsReport load_weights(const TensorFile& file, ParameterStore& store, LoadMode mode, NonFinite non_finite) {
  WeightsReport report;
  std::set<std::string> used;
  const Names taken = names_taken(file);
  std::vector<std::pair<Parameter*, std::string>> fitting;
  for (Parameter& p : store.all()) {
    const std::string name = name_in_file(taken, p);
    const bool there = file.contains(name);
    if (there) used.insert(name);
    if (there && file.at(name).shape == torchvision_shape(p)) {
      fitting.emplace_back(&p, name);
      continue;
    }
    if (mode == LoadMode::Exact) {
      const std::string found = there ? fmt::format("has shape {}", Shape(file.at(name).shape).text()) : "is missing";
      throw Error(ErrorKind::Data,
                  fmt::format("{}: tensor '{}' {}, the model needs {}", printable(file.path().native()), p.name, found,
                              Shape(torchvision_shape(p)).text()));
    }
    report.reinitialized.push_back(p.name);
  }
  for (const auto& [name, in_file] : taken)
    if (!used.contains(in_file) && !name.ends_with(kBatchCount)) report.unused.push_back(name);
  for (const auto& [parameter, name] : fitting) require_finite(file, name, non_finite);
  for (const auto& [parameter, name] : fitting)
    parameter->value.upload(from_torchvision(*parameter, file.read<float>(name)));
  store.touch();
  return report;
}

}  // namespace fovea
