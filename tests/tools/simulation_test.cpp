// Predictions of recorded work: each call's time by hand, forks, and what is printed.
#include "tools/analysis/simulation.h"

#include "tests/support/catch.h"
#include "tools/report/layer_table.h"

using namespace fovea;
using Catch::Contains;

namespace {

// 100 FLOP/s, 10 bytes/s, 4 multiprocessors, no gaps.
SimulatedGpu small_gpu() {
  return {.name = "small",
          .flop_per_second = 100,
          .bytes_per_second = 10,
          .multiprocessors = 4,
          .seconds_a_call = 0,
          .efficiencies = {{"Hopper", "conv_backward_weight", 0.25}, {"Hopper", "", 0.5}, {"", "", 0.1}}};
}

QueueProfile::Work work(const char* name, const WorkCost& cost, int fork = 0, int branch = 0) {
  return {{"layer", name}, cost, fork, branch};
}

}  // namespace

TEST_CASE("simulation: a call takes the longer of its bytes' and its arithmetic's time, by its kind of kernel",
          "[simulation]") {
  const SimulatedGpu gpu = small_gpu();
  CHECK(seconds_of({.bytes = 20}, "copy", gpu) == 2);
  CHECK(seconds_of({.bytes = 20, .flop = 100, .kind = "Hopper"}, "conv_forward", gpu) == 2);
  CHECK(seconds_of({.bytes = 10, .flop = 100, .kind = "Hopper"}, "conv_forward", gpu) == 2);
  CHECK(seconds_of({.bytes = 10, .flop = 100, .kind = "Hopper"}, "conv_backward_weight", gpu) == 4);
  CHECK(seconds_of({.bytes = 10, .flop = 100, .kind = "compiled at run time"}, "conv_forward", gpu) == 10);
}

TEST_CASE("simulation: tiles are worked on in whole rounds over the multiprocessors", "[simulation]") {
  const SimulatedGpu gpu = small_gpu();
  const auto seconds = [&](int64_t tiles) {
    return seconds_of({.flop = 100, .tiles = tiles, .kind = "Hopper"}, "conv_forward", gpu);
  };
  CHECK(seconds(4) == 2);
  CHECK(seconds(8) == 2);
  CHECK(seconds(2) == 4);
  CHECK(seconds(5) == Approx(2 * 8.0 / 5));
}

TEST_CASE("simulation: branches of a fork run beside each other as far as the GPU has room", "[simulation]") {
  SimulatedGpu gpu = small_gpu();
  const WorkCost one_tile{.flop = 100, .tiles = 1, .kind = "Hopper"};  // alone 8 s, on a quarter of the GPU
  CHECK(simulate({work("conv_forward", one_tile), work("conv_forward", one_tile)}, gpu).seconds == 16);
  CHECK(simulate({work("conv_forward", one_tile, 1, 0), work("conv_forward", one_tile, 1, 1)}, gpu).seconds == 8);
  // Copies need all of the memory: beside each other they take as long as in turns.
  CHECK(simulate({work("copy", {.bytes = 10}, 1, 0), work("copy", {.bytes = 10}, 1, 1)}, gpu).seconds == 2);
  // A fork ends where the next begins.
  CHECK(simulate({work("conv_forward", one_tile, 1, 0), work("conv_forward", one_tile, 2, 1)}, gpu).seconds == 16);
  gpu.seconds_a_call = 1;
  CHECK(simulate({work("conv_forward", one_tile), work("conv_forward", one_tile)}, gpu).seconds == 18);
}

TEST_CASE("simulation: calls whose cost nobody declared are named, and the table has a row a layer", "[simulation]") {
  const Simulation simulation = simulate({work("conv_forward", {.bytes = 1e-5}),
                                          {{"layer", "guard_step"}, {}, 0, 0},
                                          {{"", "copy"}, WorkCost{.bytes = 2e-5}, 0, 0}},
                                         small_gpu());
  CHECK(simulation.calls == 3);
  CHECK(simulation.undeclared == std::vector<std::string>{"guard_step"});
  const std::string table = layer_table(simulation.by_layer);
  CHECK_THAT(table, Contains("layer") && Contains("1.0") && Contains("copy") && Contains("2.0"));
  CHECK(layers_json(simulation.by_layer) ==
        R"({"":{"copy":0.000002000},"layer":{"conv_forward":0.000001000,"guard_step":0.000000000}})");
}
