#include "model/weight_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace fovea {
namespace {

constexpr std::string_view kPrefixes[] = {"module.", "model.", "_orig_mod."};
constexpr std::string_view kCompiled = "_orig_mod.";  // also within a name, where a part of a model is compiled

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

std::map<std::string, std::string> names_taken(const TensorFile& file) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors()) names.push_back(name);
  std::stable_sort(names.begin(), names.end(), [](auto& a, auto& b) { return a.size() < b.size(); });
  std::map<std::string, std::string> taken;
  for (const std::string& name : names)
    if (!taken.emplace(present_name(bare_name(name)), name).second) taken.emplace(name, name);
  return taken;
}

}  // namespace fovea
