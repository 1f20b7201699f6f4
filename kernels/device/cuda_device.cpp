#include "kernels/device/cuda_device.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "kernels/advice.h"
#include "kernels/device/cuda_check.h"
#include "kernels/device/gpu.h"
#include "kernels/launch/cpu_kernel.h"

namespace fovea {
namespace {

constexpr int kOldest = 75;  // compute capability 7.5, Turing: older ones are known to no CUDA 13 and cuDNN 9

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

GpuDescription describe(int index) {
  cudaDeviceProp properties{};
  cuda_check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return {.name = properties.name,
          .id = std::string(properties.uuid.bytes, sizeof(properties.uuid.bytes)),
          .memory = properties.totalGlobalMem,
          .major = properties.major,
          .minor = properties.minor,
          .multiprocessors = properties.multiProcessorCount};
}

// Why the driver shows no GPU.
std::string why_no_gpu() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible == nullptr) return "the NVIDIA driver finds no GPU (was the container started without it?)";
  const std::string value = visible;
  return "CUDA_VISIBLE_DEVICES " + (value.empty() ? "is empty" : "is \"" + value + "\", which names no GPU here") +
         ": unset it, or name a GPU that nvidia-smi lists";
}

// Whether the current GPU can run this build's kernels, any of which is compiled as all are.
bool has_kernels() {
  cudaFuncAttributes attributes{};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, launch::CpuKernel::first()->kernel);
  if (status != cudaErrorNoKernelImageForDevice && status != cudaErrorInvalidDeviceFunction)
    cuda_check(status, "cudaFuncGetAttributes");
  cudaGetLastError();
  return status == cudaSuccess;
}

std::string problem_of(const GpuStatus& status, cudaError_t counted) {
  if (status.driver == 0) return "this machine has no NVIDIA driver (libcuda.so.1 was not found)";
  if (status.driver / 1000 < status.runtime / 1000 || counted == cudaErrorInsufficientDriver)
    return "the NVIDIA driver is too old: it supports CUDA " + version(status.driver) + ", this build needs CUDA " +
           version(status.runtime) + "; update the driver";
  if (counted == cudaErrorNoDevice || (counted == cudaSuccess && status.devices.empty())) return why_no_gpu();
  if (counted != cudaSuccess) return std::string("the NVIDIA driver cannot be used: ") + cudaGetErrorString(counted);
  int index = 0;
  cuda_check(cudaGetDevice(&index), "cudaGetDevice");
  const GpuDescription& gpu = status.devices.at(static_cast<size_t>(index));
  const std::string has =
      gpu.name + " has compute capability " + std::to_string(gpu.major) + "." + std::to_string(gpu.minor);
  if (10 * gpu.major + gpu.minor < kOldest) return has + "; 7.5 or newer is needed; " + advise(advice::kUseCpu);
  if (has_kernels()) return "";
  return has + ", and this build has kernels for " + compiled_architectures() +
         " only: configure with -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(gpu.major) + std::to_string(gpu.minor) +
         ", or " + advise(advice::kUseCpu);
}

}  // namespace

GpuStatus gpu_status() {
  GpuStatus status;
  int count = 0;
  cudaError_t counted = cudaDriverGetVersion(&status.driver);
  if (counted == cudaSuccess) counted = cudaRuntimeGetVersion(&status.runtime);
  if (counted == cudaSuccess && status.driver > 0) counted = cudaGetDeviceCount(&count);
  cudaGetLastError();  // told here, and no reason for a later call to fail
  try {
    for (int i = 0; counted == cudaSuccess && i < count; ++i) status.devices.push_back(describe(i));
    status.problem = problem_of(status, counted);
  } catch (const Error& error) {
    status.problem = error.what();
  }
  return status;
}

void use_gpu(int index) { cuda_check(cudaSetDevice(index), "cudaSetDevice"); }

int gpu_in_use() {
  int index = 0;
  cuda_check(cudaGetDevice(&index), "cudaGetDevice");
  return index;
}

bool gpu_takes_one_process() {
  int mode = cudaComputeModeDefault;
  cuda_check(cudaDeviceGetAttribute(&mode, cudaDevAttrComputeMode, gpu_in_use()), "cudaDeviceGetAttribute");
  return mode == cudaComputeModeExclusiveProcess;
}

void leave_gpu() {
  if (gpu_takes_one_process()) cuda_check(cudaDeviceReset(), "cudaDeviceReset");
}

bool in_gpu_memory(const void* memory, int gpu) {
  cudaPointerAttributes facts{};
  if (cudaPointerGetAttributes(&facts, memory) != cudaSuccess) {
    cudaGetLastError();  // of an address that nobody has
    return false;
  }
  return facts.type == cudaMemoryTypeManaged || (facts.type == cudaMemoryTypeDevice && facts.device == gpu);
}

int gpu_capability() {
  if (Gpu::only_described()) return 90;  // an H200's (kernels/conv/cuda/described_device.h)
  const int index = gpu_in_use();
  int major = 0, minor = 0;
  cuda_check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index), "cudaDeviceGetAttribute");
  cuda_check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index), "cudaDeviceGetAttribute");
  return 10 * major + minor;
}

GpuMemory gpu_memory() {
  GpuMemory memory{};
  cuda_check(cudaMemGetInfo(&memory.available, &memory.total), "cudaMemGetInfo");
  return memory;
}

// "sm_80, sm_90 and newer", from CMAKE_CUDA_ARCHITECTURES: 80-real, 90-real, 90-virtual.
std::string compiled_architectures() {
  std::istringstream list(FOVEA_CUDA_ARCHITECTURES);
  std::vector<std::string> names;
  bool newer = false;
  for (std::string entry; std::getline(list, entry, ',');) {
    const std::string name = "sm_" + entry.substr(0, entry.find('-'));
    if (entry.find("-real") == std::string::npos) newer = true;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text + (newer ? " and newer" : "");
}

std::string GpuStatus::text() const {
  std::string lines;
  for (size_t i = 0; i < devices.size(); ++i)
    lines += "GPU " + std::to_string(i) + ": " + devices[i].name + ", " + std::to_string(devices[i].memory >> 20) +
             " MiB, " + std::to_string(devices[i].multiprocessors) + " multiprocessors, compute capability " +
             std::to_string(devices[i].major) + "." + std::to_string(devices[i].minor) +
             (devices[i].is_slice() ? ", a slice of a GPU (MIG)" : "") + "\n";
  if (driver > 0) lines += "driver: CUDA " + version(driver) + "; this build: CUDA " + version(runtime) + "\n";
  if (!problem.empty()) lines += "no GPU is used: " + problem + "\n";
  return lines;
}

}  // namespace fovea
