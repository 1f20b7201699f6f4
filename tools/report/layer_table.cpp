#include "tools/report/layer_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "engine/files.h"
#include "tools/report/table.h"

namespace fovea {

std::string layer_table(const QueueProfile& profile) {
  constexpr const char* kColumns[] = {"conv_forward", "relu_bias_backward", "conv_backward_data",
                                      "conv_backward_weight"};
  constexpr size_t kOthers = std::size(kColumns);
  std::map<std::string, std::array<double, kOthers + 1>> rows;
  for (const auto& [key, entry] : profile.entries) {
    const auto column = std::find(std::begin(kColumns), std::end(kColumns), key.name) - std::begin(kColumns);
    rows[key.layer.empty() ? key.name : key.layer][key.layer.empty() ? kOthers : static_cast<size_t>(column)] +=
        entry.seconds;
  }
  Table table({"layer or call", "forward us", "mask us", "data us", "weight us", "other us"});
  std::array<double, kOthers + 1> totals{};
  const auto add = [&](const std::string& name, const std::array<double, kOthers + 1>& seconds) {
    std::vector<std::string> cells{name};
    for (const double value : seconds) cells.push_back(value > 0 ? fmt::format("{:.1f}", 1e6 * value) : "-");
    table.add(cells);
  };
  for (const auto& [name, seconds] : rows) {
    add(name, seconds);
    for (size_t i = 0; i < totals.size(); ++i) totals[i] += seconds[i];
  }
  add("all", totals);
  return table.text();
}

std::string layers_json(const QueueProfile& profile) {
  std::map<std::string, std::string> layers;
  for (const auto& [key, entry] : profile.entries) {
    std::string& calls = layers[key.layer];
    calls += fmt::format("{}{}:{:.9f}", calls.empty() ? "" : ",", json_quoted(key.name), entry.seconds);
  }
  std::string json;
  for (const auto& [layer, calls] : layers)
    json += fmt::format("{}{}:{{{}}}", json.empty() ? "" : ",", json_quoted(layer), calls);
  return "{" + json + "}";
}

}  // namespace fovea
