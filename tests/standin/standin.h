// A stand-in for the CUDA runtime: a test double of cudart, linked in its place (CMake property FOVEA_STANDIN), with
// which the objects compiled for the GPU run where there is none. Memory is the host's, bounded and checked; a launch
// does what the kernel's CPU form does (kernels/launch/cpu_kernel.h); streams, events, captures and graphs behave as
// the real ones, errors included. Its device is an H200.
//
// Environment:
//   FOVEA_STANDIN_REPORT=FILE          at exit, what was called, launched, held (JSON)
//   FOVEA_STANDIN_FAIL=CALL:N:ERROR    the N-th call (from 1) of CALL, or of any if CALL is *, fails with error number
//                                      ERROR; `nothing`: it does nothing and says that it has; `hang`, `crash`
//   FOVEA_STANDIN_SKIP=NAME            launches whose name has NAME in it compute nothing
//   FOVEA_STANDIN_EXCLUSIVE=FILE       the device takes one process at a time, the one that has locked this file
//   FOVEA_STANDIN_MEMORY=BYTES         how much memory the device has
//   FOVEA_STANDIN_DRY=1                launches are counted and not done; memory costs nothing: launches and peak
//   memory
//                                      of large networks in seconds
//   FOVEA_STANDIN_ORDER=adverse        work is done as late as its dependencies allow, and graphs' nodes last to first:
//                                      a missing wait shows as a wrong result
//                      =concurrent     a thread does the work while the host goes on, as a device does
//                                      Default: submitted, each call does its work before it returns
//   FOVEA_STANDIN_DRIVER=13000, FOVEA_STANDIN_DEVICES=1, FOVEA_STANDIN_CAPABILITY=9.0, FOVEA_STANDIN_NAME=…,
//   FOVEA_STANDIN_MULTIPROCESSORS=132  another machine; CUDA_VISIBLE_DEVICES is the driver's own
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace standin {

// Does `work` as a launch of that name would be done: in the stream's order, or as a node of the graph that is
// captured.
// `chain`: after what was enqueued with it before, in whichever stream that was.
struct Chain;
cudaError_t enqueue(cudaStream_t stream, const char* name, std::function<void()> work, Chain* chain = nullptr);
// For work that waits for something outside this process: other threads may call the runtime until `wait` returns.
void while_unlocked(const std::function<void()>& wait);
bool in_device_memory(const void* memory, size_t bytes);

struct Report {
  std::map<std::string, int64_t> calls;     // by name of the function
  std::map<std::string, int64_t> launches;  // done, by name of the kernel, those of graphs included
  std::vector<int64_t> graph_nodes;         // of each graph that was instantiated
  std::vector<int64_t> graph_launches;      // kernels and enqueued work in each of them
  int64_t replays = 0;
  int64_t allocations_in_capture = 0, waits_in_capture = 0;  // in strict captures: refused with an error
  int64_t memory = 0, peak_memory = 0;                       // bytes of the device's memory in use
  int64_t pinned_memory = 0;
  int64_t streams = 0, events = 0, graphs = 0;  // that exist, executables included
};
Report report();
int64_t total(const std::map<std::string, int64_t>& counts);
void reset_report();  // counts of calls and launches to 0, peaks to what is in use

// The environment's settings for what follows in this process. Each returns what was set before
// (tests/support/scoped.h).
bool set_dry(bool dry);
bool set_adverse_order(bool adverse);
int set_devices(int count);
struct Capability {
  int major, minor;
};
Capability set_capability(Capability capability);
int64_t memory();  // that the device has
int64_t set_memory(int64_t bytes);
void fail(const std::string& call, int64_t n, cudaError_t error);  // the n-th from now, from 1; n = 0: none

}  // namespace standin
