#include "kernels/conv/cuda/cudnn_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>

#include "kernels/device/cuda_device.h"
#include "kernels/device/environment.h"
#include "kernels/device/gpu.h"

namespace fovea::cudnn {
namespace {

constexpr LibraryName kCudnn{"libcudnn.so.9", "FOVEA_CUDNN", "cuDNN 9"};
// The oldest version that runs on a GPU, and the first that plans from a device's description. Those of both kinds that
// were built for CUDA 12 (for CUDA 13 there are none before 9.12) bring their own CUDA runtime, which shares streams
// and memory with this program's through the driver.
constexpr int kOldest = 90000, kOldestToDescribe = 91100;

template <class F>
F* function(void* handle, const char* name) {
  return reinterpret_cast<F*>(dlsym(handle, name));
}

// Of the CUDA that cuDNN was built for: "13".
std::string cuda_major_of(const LoadedLibrary& cudnn) {
  auto* version = function<size_t()>(cudnn.handle, "cudnnGetCudartVersion");
  return version == nullptr ? "" : std::to_string(version() / 1000);
}

// cuDNN looks for its compiler for every graph, and lets go of it again: held here, that costs nothing, and it is found
// where Python keeps it, too.
void hold_compiler(Library& library) {
  const std::string major = cuda_major_of(library.loaded), soname = "libnvrtc.so." + major, what = "NVRTC " + major;
  library.compiler = find_library({soname.c_str(), "FOVEA_NVRTC", what.c_str()});
  if (!library.compiler.problem.empty()) return;
  int numbers[2] = {0, 0};
  if (auto* version = function<int(int*, int*)>(library.compiler.loaded.handle, "nvrtcVersion"))
    version(&numbers[0], &numbers[1]);
  library.compiler_version = std::to_string(numbers[0]) + "." + std::to_string(numbers[1]);
}

// cuDNN ends the program where it does not find the cuBLASLt of its CUDA version. Held here, it is found wherever it
// is.
bool hold_cublaslt(const LoadedLibrary& cudnn) {
  const std::string major = cuda_major_of(cudnn), soname = "libcublasLt.so." + major;
  std::vector<std::string> places = library_places({soname.c_str(), nullptr, "cuBLASLt"});
  const std::string folder = std::filesystem::path(cudnn.path).parent_path().string();
  for (const std::string& beside : {std::string(), std::string("/../../cublas/lib"), "/../../cu" + major + "/lib"})
    places.push_back(std::string(folder).append(beside).append("/").append(soname));
  const char* asked = environment("FOVEA_CUBLASLT");
  const std::string named = asked == nullptr ? "" : as_file(asked, soname.c_str());
  if (std::filesystem::path(named).filename().string().rfind(soname, 0) == 0) places.insert(places.begin(), named);
  return std::any_of(places.begin(), places.end(),
                     [](const std::string& place) { return dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr; });
}

int version_of(const LoadedLibrary& cudnn) {
  auto* version = function<size_t()>(cudnn.handle, "cudnnGetVersion");
  return version == nullptr ? 0 : static_cast<int>(version());
}

std::string refuse(const LoadedLibrary& cudnn) {
  const int version = version_of(cudnn);
  if (version == 0) return cudnn.path + " is not cuDNN: it has no cudnnGetVersion";
  // Whether there is a GPU matters for an old one alone, and is not asked without need.
  const bool describes = version < kOldestToDescribe && (Gpu::only_described() || !gpu_status().usable());
  const int oldest = describes ? kOldestToDescribe : kOldest;
  if (version < oldest)
    return cudnn.path + " is cuDNN " + version_text(version) + ", which is too old: " + version_text(oldest) +
           " or a newer 9 is needed" + (describes ? " to plan without a GPU" : "");
  if (hold_cublaslt(cudnn)) return "";
  return cudnn.path + " cannot be used without libcublasLt.so." + cuda_major_of(cudnn) +
         ", which was not found: install it, or name its file in FOVEA_CUBLASLT";
}

}  // namespace

std::string version_text(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

const Library& library() {
  static const Library found = [] {
    Library library{.loaded = load_library(kCudnn, refuse)};
    library.version = version_of(library.loaded);
    hold_compiler(library);
    return library;
  }();
  return found;
}

}  // namespace fovea::cudnn
