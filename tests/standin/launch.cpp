// Registration of modules, and launches: checked against the device's limits, done by the kernel's CPU form.
#include <cxxabi.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "kernels/launch/cpu_kernel.h"
#include "tests/standin/state.h"

extern "C" const char __executable_start, _end;  // of the program with its constants and variables, from the linker

namespace standin {
namespace {

struct Configuration {
  dim3 grid, block;
  size_t shared;
  void* stream;
};
std::vector<Configuration>& configurations() {
  thread_local std::vector<Configuration> pushed;
  return pushed;
}

std::string readable(const char* mangled) {
  int status = 0;
  char* name = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  std::string text = status == 0 ? name : mangled;
  std::free(name);
  for (const std::string noise : {"(anonymous namespace)::", "fovea::", "kernels::", "launch::", "void "})
    for (size_t at = text.find(noise); at != std::string::npos; at = text.find(noise)) text.erase(at, noise.size());
  return text.substr(0, text.find('('));  // without the types of its arguments
}

bool within_limits(const dim3& grid, const dim3& block, size_t shared) {
  const auto fact = [](const char* name) { return static_cast<uint64_t>(device_fact(name)); };
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  return grid.x > 0 && grid.y > 0 && grid.z > 0 && threads > 0 && threads <= fact("maxThreadsPerBlock") &&
         block.x <= 1024 && block.y <= 1024 && block.z <= 64 && grid.x <= 2147483647u && grid.y <= 65535 &&
         grid.z <= 65535 && shared <= fact("maxSharedMemoryPerBlock");
}

struct Range {
  const char *begin, *end;
  bool holds(const char* address) const { return address >= begin && address < end; }
};

Range stack_of_this_thread() {
  pthread_attr_t attributes;
  void* lowest = nullptr;
  size_t bytes = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &lowest, &bytes);
  pthread_attr_destroy(&attributes);
  return {static_cast<char*>(lowest), static_cast<char*>(lowest) + bytes};
}

// Whether a kernel is handed an address that only the host has: of its caller's stack, or of the program's own data.
// (Of the host's heap it cannot be told.)
bool has_host_address(const std::string& functor) {
  static thread_local const Range stack = stack_of_this_thread();
  const Range program{&__executable_start, &_end};
  for (size_t at = 0; at + sizeof(char*) <= functor.size(); at += sizeof(char*)) {
    const char* address = nullptr;
    std::memcpy(&address, functor.data() + at, sizeof(address));
    if (stack.holds(address) || program.holds(address)) return true;
  }
  return false;
}

cudaError_t launch(const void* kernel, const dim3& grid, const dim3& block, void** arguments, size_t shared,
                   cudaStream_t stream) {
  State& s = state();
  const auto known = s.kernels.find(kernel);
  const fovea::launch::CpuKernel* form = fovea::launch::CpuKernel::find(kernel);
  if (known == s.kernels.end() || form == nullptr) return cudaErrorInvalidDeviceFunction;
  if (!within_limits(grid, block, shared)) return cudaErrorInvalidConfiguration;
  if (has_host_address(form->functor_bytes(arguments))) return cudaErrorIllegalAddress;
  return submit(stream, known->second, true, [name = known->second, work = form->work(arguments)] {
    ++state().counts.launches[name];
    if (computes(name)) work();
  });
}

// Whether code of one of these architectures runs on the device: real code on what is newer within the generation, PTX
// (no -real) on all that is newer.
bool has_code_for(int major, int minor) {
  std::istringstream list(FOVEA_CUDA_ARCHITECTURES);
  for (std::string entry; std::getline(list, entry, ',');) {
    const int number = std::stoi(entry), of_major = number / 10, of_minor = number % 10;
    const bool ptx = entry.find("-real") == std::string::npos;
    if (of_major == major ? of_minor <= minor : ptx && of_major < major) return true;
  }
  return false;
}

}  // namespace

cudaError_t enqueue(cudaStream_t stream, const char* name, std::function<void()> work, Chain* chain) {
  return call("enqueue", [&] {
    const auto counted = [name = std::string(name), work = std::move(work)] {
      ++state().counts.launches[name];
      if (computes(name)) work();
    };
    return submit(stream, name, true, counted, chain);
  });
}

}  // namespace standin

using namespace standin;

extern "C" {

void** __cudaRegisterFatBinary(void* binary) { return new void*(binary); }
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void** handle) { delete handle; }
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
void __cudaRegisterFunction(void**, const char* host, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
  state().kernels[host] = readable(name);
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(host));
  return cudaSuccess;
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void* stream) {
  configurations().push_back({grid, block, shared, stream});
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  const Configuration last = configurations().back();
  configurations().pop_back();
  *grid = last.grid;
  *block = last.block;
  *shared = last.shared;
  *static_cast<void**>(stream) = last.stream;
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                               cudaStream_t stream) {
  return call("cudaLaunchKernel", [&] { return launch(kernel, grid, block, arguments, shared, stream); });
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  return call("cudaFuncGetAttributes", [&] {
    *attributes = {};
    if (state().kernels.count(kernel) == 0) return cudaErrorInvalidDeviceFunction;
    return has_code_for(state().major, state().minor) ? cudaSuccess : cudaErrorNoKernelImageForDevice;
  });
}
cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                             cudaStream_t stream) {
  return call("cudaLaunchKernel", [&] { return launch(kernel, grid, block, arguments, shared, stream); });
}

}  // extern "C"
