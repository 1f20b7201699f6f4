#include "kernels/cuda_device.h"

#include "kernels/cuda_check.h"

namespace fovea {
namespace {

constexpr int kOldestMajor = 8;  // compute capability of the oldest architecture that is compiled for, sm_80

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

std::string problem_of(const GpuStatus& status, cudaError_t counted) {
  if (status.driver == 0) return "there is no NVIDIA driver on this machine (libcuda.so.1 is not found)";
  if (status.driver / 1000 < status.runtime / 1000 || counted == cudaErrorInsufficientDriver)
    return "the NVIDIA driver is too old: it supports CUDA " + version(status.driver) + ", this build needs CUDA " +
           version(status.runtime) + "; update the driver";
  if (counted == cudaErrorNoDevice || (counted == cudaSuccess && status.devices.empty()))
    return "the NVIDIA driver finds no GPU (is CUDA_VISIBLE_DEVICES empty, or the container started without it?)";
  if (counted != cudaSuccess) return std::string("the NVIDIA driver cannot be used: ") + cudaGetErrorString(counted);
  int index = 0;
  cuda_check(cudaGetDevice(&index), "cudaGetDevice");
  const GpuDescription& gpu = status.devices.at(static_cast<size_t>(index));
  if (gpu.major >= kOldestMajor) return "";
  return gpu.name + " has compute capability " + std::to_string(gpu.major) + "." + std::to_string(gpu.minor) +
         "; this build's kernels need 8.0 or newer";
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

std::string GpuStatus::text() const {
  std::string lines;
  for (size_t i = 0; i < devices.size(); ++i)
    lines += "GPU " + std::to_string(i) + ": " + devices[i].name + ", " + std::to_string(devices[i].memory >> 20) +
             " MiB, " + std::to_string(devices[i].multiprocessors) + " multiprocessors, compute capability " +
             std::to_string(devices[i].major) + "." + std::to_string(devices[i].minor) + "\n";
  if (driver > 0) lines += "driver: CUDA " + version(driver) + "; this build: CUDA " + version(runtime) + "\n";
  if (!problem.empty()) lines += "no GPU is used: " + problem + "\n";
  return lines;
}

}  // namespace fovea
