#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include "engine/printable.h"
#include "kernels/advice.h"
#include "model/names.h"

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

// torchvision's names before its release 0.14, which its published files of 2020 have: a convolution of the FPN is not
// yet the first of a pair, and the heads' towers count their ReLUs.
std::string old_name(const std::string& name) {
  static const std::regex fpn(R"((.*\.fpn\.(?:inner|layer)_blocks\.\d+)\.0\.(weight|bias))");
  static const std::regex tower(R"((head\..*\.conv)\.(\d+)\.0\.(weight|bias))");
  std::smatch parts;
  if (std::regex_match(name, parts, fpn)) return parts.str(1) + "." + parts.str(2);
  if (std::regex_match(name, parts, tower))
    return fmt::format("{}.{}.{}", parts.str(1), 2 * std::stoi(parts.str(2)), parts.str(3));
  return name;
}

constexpr const char* kBatchCount = ".num_batches_tracked";  // of torchvision's norms, which only count with it
constexpr const char* kVggFeatures = "features.";            // as torchvision's classifiers call VGG's layers

std::string name_in_file(const SafetensorsFile& file, const Parameter& p) {
  if (file.contains(p.name)) return p.name;
  if (const std::string old = old_name(p.name); file.contains(old)) return old;
  if (p.name.starts_with(names::kBackbone)) {
    const std::string bare = p.name.substr(std::string_view(names::kBackbone).size());
    for (const char* prefix : {"", kVggFeatures})
      if (file.contains(prefix + bare)) return prefix + bare;
  }
  return p.name;
}

}  // namespace

int classes_of(const SafetensorsFile& file, const ModelConfig& config) {
  if (!file.contains(names::logits_bias()))
    throw Error(ErrorKind::Data,
                fmt::format("{}: holds no detector (no tensor '{}'); weights of a backbone alone can start a "
                            "training, no more",
                            printable(file.path().native()), names::logits_bias()));
  return static_cast<int>(file.at(names::logits_bias()).shape.at(0)) / config.anchors.per_location();
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

void require_finite(const SafetensorsFile& file, const std::string& tensor, NonFinite non_finite) {
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

WeightsReport load_weights(const SafetensorsFile& file, ParameterStore& store, LoadMode mode, NonFinite non_finite) {
  WeightsReport report;
  std::set<std::string> used;
  std::vector<std::pair<Parameter*, std::string>> fitting;
  for (Parameter& p : store.all()) {
    const std::string name = name_in_file(file, p);
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
  for (const auto& [name, tensor] : file.tensors())
    if (!used.contains(name) && !name.ends_with(kBatchCount)) report.unused.push_back(name);
  for (const auto& [parameter, name] : fitting) require_finite(file, name, non_finite);
  for (const auto& [parameter, name] : fitting)
    parameter->value.upload(from_torchvision(*parameter, file.read<float>(name)));
  store.touch();
  return report;
}

}  // namespace fovea
