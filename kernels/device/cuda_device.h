// Which GPUs there are, and whether this build can use them.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "kernels/error.h"

namespace fovea {

struct GpuDescription {
  std::string name;
  std::string id;     // that no other GPU has, on no machine
  size_t memory = 0;  // bytes
  int major = 0, minor = 0, multiprocessors = 0;
  bool is_slice() const { return name.find(" MIG ") != std::string::npos; }  // a part of a GPU (MIG)
};

struct GpuStatus {
  std::string problem;                  // one line why no GPU can be used; empty: the current one can
  ErrorKind kind = ErrorKind::Runtime;  // of that problem
  int driver = 0, runtime = 0;          // CUDA versions, e.g. 13000: what the driver supports, what this build uses
  std::vector<GpuDescription> devices;

  bool usable() const { return problem.empty(); }
  std::string text() const;  // lines for people
};

// Asks the driver; never throws. A build without CUDA, and a machine without a driver, are problems as others are.
GpuStatus gpu_status();

// Of the build's kernels: "sm_80, sm_90 and newer".
std::string compiled_architectures();

// The GPU that this thread's queues and memory are on from now on (from the start: the first).
void use_gpu(int index);
int gpu_in_use();
// Before another process uses that GPU, while nothing of this one is on it: where the GPU takes one process at a time
// (compute mode "exclusive process"), this one gives it up until it uses it again.
void leave_gpu();
bool gpu_takes_one_process();
// Whether this is memory of GPU number `gpu`, or such that any GPU and the host reach.
bool in_gpu_memory(const void* memory, int gpu);
int gpu_capability();  // of that one: 90 for 9.0
struct GpuMemory {
  size_t available, total;  // bytes
};
GpuMemory gpu_memory();  // likewise

}  // namespace fovea
