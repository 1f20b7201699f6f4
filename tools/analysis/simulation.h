// A predicted step: what a recorded training step or detection would take on a GPU that is not here, call by call, from
// the calls that the engine really records for it (a described GPU: kernels/device/gpu.h) and the rates of one table.
#pragma once
#include <string>
#include <vector>

#include "kernels/device/queue.h"

namespace fovea {

// Each with where it is from: none was measured with this program. The first run on a GPU corrects them.
struct SimulatedGpu {
  std::string name;
  double flop_per_second = 0, bytes_per_second = 0;  // of bf16 products and of copies, as large ones reach
  int multiprocessors = 0;
  double seconds_a_call = 0;  // of a recording, from the end of one call to the start of the next
  struct Efficiency {
    const char* kind;  // of kernel, as plans name it
    const char* name;  // of call; "": of all others
    double of_peak;
  };
  std::vector<Efficiency> efficiencies;
  std::string constants() const;  // the table, with sources
};
SimulatedGpu simulated_h200();

// Seconds of one call that has the GPU alone: the longer of its bytes' and its arithmetic's time, the latter in whole
// rounds of tiles over the multiprocessors.
double seconds_of(const WorkCost& cost, const char* name, const SimulatedGpu& gpu);

// Seconds of all, and by layer and name: branches of a fork run beside each other, none faster than alone, and together
// not faster than the GPU can.
struct Simulation {
  double seconds = 0;
  size_t calls = 0;
  std::vector<std::string> undeclared;  // names of calls of which only the gap is counted
  QueueProfile by_layer;                // as a measured profile: of each call alone
};
Simulation simulate(const std::vector<QueueProfile::Work>& works, const SimulatedGpu& gpu);

}  // namespace fovea
