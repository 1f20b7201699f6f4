#include "model/weight_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <vector>

namespace fovea {
namespace {

constexpr std::string_view kPrefixes[] = {"module.", "model.", "_orig_mod."};
constexpr std::string_view kCompiled = "_orig_mod.";  // also within a name, where a part of a model is compiled

// Which only a detector has: of each program's head, the bias of its last convolution, or of its first.
constexpr std::string_view kOutputs[] = {"head.classification_head.cls_logits.bias", "head.cls_score.bias",
                                         "bbox_head.retina_cls.bias", "box_head.0.bias"};

}  // namespace

std::string bare_name(std::string_view name) {
  const auto prefix_of = [&]() -> std::string_view {
    for (const std::string_view prefix : kPrefixes)
      if (name.starts_with(prefix) && name.size() > prefix.size()) return prefix;
    return "";
  };
  for (std::string_view prefix = prefix_of(); !prefix.empty(); prefix = prefix_of()) name.remove_prefix(prefix.size());
  std::string bare(name);
  for (size_t at = bare.find(kCompiled); at != bare.npos; at = bare.find(kCompiled, at))
    if (at > 0 && bare[at - 1] == '.' && bare.size() > at + kCompiled.size())
      bare.erase(at, kCompiled.size());
    else
      at += kCompiled.size();
  return bare;
}

// A convolution of the FPN was not yet the first of a pair, and the heads' towers counted their ReLUs.
std::string present_name(const std::string& name) {
  std::string_view rest = name;
  const auto take_last = [&] {
    const size_t dot = rest.rfind('.');
    const std::string_view part = dot == rest.npos ? rest : rest.substr(dot + 1);
    rest = dot == rest.npos ? "" : rest.substr(0, dot);
    return part;
  };
  const std::string_view kind = take_last(), digits = take_last(), list = take_last(), owner = take_last();
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if ((kind != "weight" && kind != "bias") || digits.empty() || digits[0] == '-' || error != std::errc() ||
      end != digits.data() + digits.size())
    return name;
  const std::string before = name.substr(0, name.size() - kind.size() - digits.size() - 1);
  if (owner == "fpn" && (list == "inner_blocks" || list == "layer_blocks"))
    return fmt::format("{}{}.0.{}", before, number, kind);
  if ((owner == "classification_head" || owner == "regression_head") && list == "conv" && number % 2 == 0)
    return fmt::format("{}{}.0.{}", before, number / 2, kind);
  return name;
}

std::vector<std::string> detector_prefixes(const TensorFile& file) {
  std::set<std::string> prefixes;
  for (const auto& [name, tensor] : file.tensors())
    for (const std::string_view output : kOutputs)
      if (const std::string bare = bare_name(name); bare.ends_with(output)) {
        const std::string prefix = bare.substr(0, bare.size() - output.size());
        if (prefix.empty() || prefix.back() == '.') prefixes.insert(prefix);
      }
  return {prefixes.begin(), prefixes.end()};
}

namespace {

// `renamed`: what becomes of a bare name.
std::map<std::string, std::string> names_by(const TensorFile& file, std::string (*renamed)(const std::string&)) {
  const std::vector<std::string> prefixes = detector_prefixes(file);
  const std::string prefix = prefixes.size() == 1 ? prefixes.front() : "";
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors()) names.push_back(name);
  std::stable_sort(names.begin(), names.end(), [](auto& a, auto& b) { return a.size() < b.size(); });
  std::map<std::string, std::string> taken;
  for (const std::string& name : names) {
    std::string bare = bare_name(name);
    if (!prefix.empty() && bare.starts_with(prefix)) bare = bare_name(bare.substr(prefix.size()));
    if (!taken.emplace(renamed(bare), name).second) taken.emplace(name, name);
  }
  return taken;
}

}  // namespace

std::map<std::string, std::string> bare_names(const TensorFile& file) {
  return names_by(file, [](const std::string& bare) { return bare; });
}

std::map<std::string, std::string> names_taken(const TensorFile& file) { return names_by(file, present_name); }

}  // namespace fovea
