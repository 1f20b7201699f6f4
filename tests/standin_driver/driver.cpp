// A stand-in for NVIDIA's driver, libcuda.so.1: one H200 that accepts every kernel and runs none. With it on
// LD_LIBRARY_PATH, cuDNN compiles its fused kernels with NVRTC and finishes their plans on a machine without a GPU.
//
// Here are the functions whose answers matter; every other one that the toolkit's link library has is generated
// (every_other.cmake), and answers success. Types are those of cuda.h's interface, without its macros that rename.
// With FOVEA_STANDIN_DRIVER_LOG set, names of the kernels that are loaded are appended to that file, one a line.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSuccess = 0, kInvalidValue = 1, kNotFound = 500;
constexpr int kVersion = 13000;
int the_handle;  // handles are only passed on: any address does

template <class Handle>
int give(Handle* to) {
  if (to == nullptr) return kInvalidValue;
  *to = static_cast<Handle>(static_cast<void*>(&the_handle));
  return kSuccess;
}

// CUdevice_attribute -> its value on an H200; the rest are 1, which as a flag means "can".
int attribute(int which) {
  switch (which) {
    case 1:
      return 1024;  // threads a block
    case 2:
    case 3:
      return 1024;  // block size x, y
    case 4:
      return 64;  // block size z
    case 5:
      return 2147483647;  // grid size x
    case 6:
    case 7:
      return 65535;  // grid size y, z
    case 8:
      return 49152;  // shared memory a block
    case 9:
      return 65536;  // constant memory
    case 10:
      return 32;  // warp
    case 12:
      return 65536;  // registers a block
    case 13:
      return 1980000;  // clock, kHz
    case 16:
      return 132;  // multiprocessors
    case 33:
    case 34:
      return 0;  // PCI bus, device
    case 36:
      return 3201000;  // memory clock, kHz
    case 38:
      return 62914560;  // L2 cache
    case 39:
      return 2048;  // threads a multiprocessor
    case 75:
      return 9;  // compute capability
    case 76:
      return 0;
    case 81:
      return 233472;  // shared memory a multiprocessor
    case 82:
      return 65536;  // registers a multiprocessor
    case 97:
      return 232448;  // shared memory a block may opt in to
    case 106:
      return 32;  // blocks a multiprocessor
    case 111:
      return 1024;  // shared memory reserved
    default:
      return 1;
  }
}

void log_kernel(const char* name) {
  const char* path = std::getenv("FOVEA_STANDIN_DRIVER_LOG");
  if (path == nullptr || name == nullptr) return;
  if (std::FILE* file = std::fopen(path, "a")) {
    std::fprintf(file, "%s\n", name);
    std::fclose(file);
  }
}

}  // namespace

extern "C" {

int cuDriverGetVersion(int* version) {
  *version = kVersion;
  return kSuccess;
}
int cuDeviceGetCount(int* count) {
  *count = 1;
  return kSuccess;
}
int cuDeviceGet(int* device, int) {
  *device = 0;
  return kSuccess;
}
int cuCtxGetDevice(int* device) {
  *device = 0;
  return kSuccess;
}
int cuDeviceGetAttribute(int* value, int which, int) {
  *value = attribute(which);
  return kSuccess;
}
int cuDeviceGetName(char* name, int length, int) {
  std::snprintf(name, static_cast<size_t>(length), "NVIDIA H200");
  return kSuccess;
}
int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = 150754820096;
  return kSuccess;
}
int cuDevicePrimaryCtxRetain(void** context, int) { return give(context); }
int cuCtxGetCurrent(void** context) { return give(context); }
int cuGetErrorName(int, const char** text) {
  *text = "CUDA_STANDIN";
  return kSuccess;
}
int cuGetErrorString(int, const char** text) {
  *text = "an answer of the stand-in driver";
  return kSuccess;
}

int cuGetExportTable(const void**, const void*) { return kNotFound; }
int cuGetProcAddress_v2(const char* name, void** function, int, uint64_t, int* status) {
  *function = dlsym(RTLD_DEFAULT, name);
  if (*function == nullptr) {  // loaded privately: look in this library itself
    Dl_info self;
    if (dladdr(reinterpret_cast<void*>(&cuDriverGetVersion), &self) != 0)
      if (void* library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD)) *function = dlsym(library, name);
  }
  if (status != nullptr) *status = *function == nullptr ? 1 : 0;
  return *function == nullptr ? kNotFound : kSuccess;
}
int cuGetProcAddress(const char* name, void** function, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}

int cuLibraryLoadData(void** library, const void*, void*, void*, unsigned, void*, void*, unsigned) {
  return give(library);
}
int cuLibraryGetKernel(void** kernel, void*, const char* name) {
  log_kernel(name);
  return give(kernel);
}
int cuKernelGetFunction(void** function, void*) { return give(function); }
int cuLibraryGetModule(void** module, void*) { return give(module); }
int cuModuleLoadData(void** module, const void*) { return give(module); }
int cuModuleLoadDataEx(void** module, const void*, unsigned, void*, void*) { return give(module); }
int cuModuleGetFunction(void** function, void*, const char* name) {
  log_kernel(name);
  return give(function);
}

}  // extern "C"
