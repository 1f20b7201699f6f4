#include "tools/analysis/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "kernels/device/device_rates.h"
#include "tools/report/table.h"

namespace fovea {

SimulatedGpu simulated_h200() {
  return {.name = "NVIDIA H200",
          .flop_per_second = kernels::kH200Products,
          .bytes_per_second = kernels::kH200Bytes,
          .multiprocessors = 132,
          .seconds_a_call = 1.3e-6,
          .efficiencies = {
              {"Hopper", "conv_backward_weight", 0.63}, {"Hopper", "", 0.8}, {"cuBLASLt", "", 0.8}, {"", "", 0.5}}};
}

std::string SimulatedGpu::constants() const {
  Table table({"constant", "value", "source"});
  table.add({"bf16 products", fmt::format("{:.0f} TFLOP/s", flop_per_second / 1e12), "large matmul, PyTorch"});
  table.add({"memory", fmt::format("{:.1f} TB/s", bytes_per_second / 1e12), "copy, PyTorch"});
  table.add({"multiprocessors", std::to_string(multiprocessors), "device properties"});
  table.add({"between two calls", fmt::format("{:.1f} us", 1e6 * seconds_a_call), "assumed"});
  for (const Efficiency& e : efficiencies)
    table.add({fmt::format("{} kernels{}{}", *e.kind != '\0' ? e.kind : "other", *e.name != '\0' ? ", " : "", e.name),
               fmt::format("{:.0f} % of products", 100 * e.of_peak), "assumed"});
  return table.text();
}

double seconds_of(const WorkCost& cost, const char* name, const SimulatedGpu& gpu) {
  const double of_memory = cost.bytes / gpu.bytes_per_second;
  if (cost.flop == 0) return of_memory;
  const auto efficiency = std::find_if(gpu.efficiencies.begin(), gpu.efficiencies.end(), [&](const auto& e) {
    return (*e.kind == '\0' || std::strcmp(e.kind, cost.kind) == 0) &&
           (*e.name == '\0' || std::strcmp(e.name, name) == 0);
  });
  const double tiles = static_cast<double>(cost.tiles), at_once = gpu.multiprocessors;
  const double busy = cost.tiles == 0 ? 1 : tiles / (std::ceil(tiles / at_once) * at_once);
  return std::max(of_memory, cost.flop / (gpu.flop_per_second * efficiency->of_peak * busy));
}

namespace {

// The part of the GPU that a call can use.
double share_of(const WorkCost& cost, const SimulatedGpu& gpu) {
  return cost.tiles == 0 ? 1 : std::min(1.0, static_cast<double>(cost.tiles) / gpu.multiprocessors);
}

// The calls from `begin` on that belong to one fork; of none: one call.
size_t end_of_group(const std::vector<QueueProfile::Work>& works, size_t begin) {
  size_t end = begin + 1;
  while (works[begin].fork != 0 && end < works.size() && works[end].fork == works[begin].fork) ++end;
  return end;
}

}  // namespace

Simulation simulate(const std::vector<QueueProfile::Work>& works, const SimulatedGpu& gpu) {
  Simulation simulation{.calls = works.size()};
  std::set<std::string> undeclared;
  for (size_t begin = 0; begin < works.size();) {
    const size_t end = end_of_group(works, begin);
    std::map<int, double> branches;
    double of_all = 0;  // had they the GPU in turns, each with what it can use
    for (; begin < end; ++begin) {
      const QueueProfile::Work& work = works[begin];
      const WorkCost cost = work.cost.value_or(WorkCost{});
      if (!work.cost) undeclared.insert(work.key.name);
      const double seconds = seconds_of(cost, work.key.name.c_str(), gpu);
      branches[work.branch] += seconds + gpu.seconds_a_call;
      of_all += seconds * share_of(cost, gpu);
      auto& entry = simulation.by_layer.entries[work.key];
      ++entry.calls;
      entry.seconds += seconds;
    }
    double longest = 0;
    for (const auto& [branch, seconds] : branches) longest = std::max(longest, seconds);
    simulation.seconds += std::max(longest, of_all);
  }
  simulation.undeclared.assign(undeclared.begin(), undeclared.end());
  return simulation;
}

}  // namespace fovea
