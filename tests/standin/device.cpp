// The device that the stand-in describes: an H200, unless the environment says otherwise.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

#include "tests/standin/state.h"

using namespace standin;

namespace {

thread_local int current_device = 0;

// CUDA_VISIBLE_DEVICES: numbers, up to the first that is of no device.
int visible_devices() {
  const char* list = std::getenv("CUDA_VISIBLE_DEVICES");
  if (list == nullptr) return state().devices;
  int count = 0;
  std::istringstream numbers(list);
  for (std::string number; std::getline(numbers, number, ',') && !number.empty(); ++count)
    if (number.find_first_not_of("0123456789") != std::string::npos || std::stoi(number) >= state().devices) break;
  return count;
}

// What cudaGetDeviceCount finds.
cudaError_t count_devices(int* count) {
  *count = 0;
  if (state().driver / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
  *count = visible_devices();
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}

}  // namespace

cudaError_t cudaDriverGetVersion(int* version) {
  return call("cudaDriverGetVersion", [&] {
    *version = state().driver;
    return cudaSuccess;
  });
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  return call("cudaRuntimeGetVersion", [&] {
    *version = CUDART_VERSION;
    return cudaSuccess;
  });
}
cudaError_t cudaGetDeviceCount(int* count) {
  return call("cudaGetDeviceCount", [&] { return count_devices(count); });
}
cudaError_t cudaGetDevice(int* device) {
  return call("cudaGetDevice", [&] {
    *device = current_device;
    return cudaSuccess;
  });
}
cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", [&] {
    if (device < 0 || device >= state().devices) return cudaErrorInvalidDevice;
    current_device = device;
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceReset() {
  return call("cudaDeviceReset", [&] {
    if (state().counts.memory > 0) return cudaErrorInvalidValue;  // a double is stricter: something would be lost
    if (state().lock >= 0) close(std::exchange(state().lock, -1));
    return cudaSuccess;
  });
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call("cudaGetDeviceProperties", [&] {
    if (device < 0 || device >= state().devices) return cudaErrorInvalidDevice;
    *properties = {};
    std::strncpy(properties->name, state().name.c_str(), sizeof(properties->name) - 1);
    properties->uuid.bytes[0] = static_cast<char>(device);
    properties->totalGlobalMem = static_cast<size_t>(state().memory_limit);
    properties->sharedMemPerBlock = static_cast<size_t>(device_fact("maxSharedMemoryPerBlock"));
    properties->sharedMemPerBlockOptin = static_cast<size_t>(device_fact("maxSharedMemoryPerBlockOptin"));
    properties->regsPerBlock = static_cast<int>(device_fact("regsPerBlock"));
    properties->warpSize = static_cast<int>(device_fact("warpSize"));
    properties->maxThreadsPerBlock = static_cast<int>(device_fact("maxThreadsPerBlock"));
    properties->multiProcessorCount = state().multiprocessors;
    properties->l2CacheSize = static_cast<int>(device_fact("l2CacheSize"));
    properties->major = state().major;
    properties->minor = state().minor;
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call("cudaDeviceGetAttribute", [&] {
    if (device < 0 || device >= state().devices) return cudaErrorInvalidDevice;
    switch (attribute) {
      case cudaDevAttrComputeCapabilityMajor:
        *value = state().major;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor:
        *value = state().minor;
        return cudaSuccess;
      case cudaDevAttrComputeMode:
        *value = state().exclusive.empty() ? cudaComputeModeDefault : cudaComputeModeExclusiveProcess;
        return cudaSuccess;
      case cudaDevAttrMultiProcessorCount:
        *value = state().multiprocessors;
        return cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(device_fact("maxSharedMemoryPerBlockOptin"));
        return cudaSuccess;
      case cudaDevAttrL2CacheSize:
        *value = static_cast<int>(device_fact("l2CacheSize"));
        return cudaSuccess;
      default:
        return cudaErrorInvalidValue;
    }
  });
}
