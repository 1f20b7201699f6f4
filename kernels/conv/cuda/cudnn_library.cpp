#include "kernels/conv/cuda/cudnn_library.h"

#include <dlfcn.h>
#include <glob.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "kernels/device/cuda_device.h"
#include "kernels/device/gpu.h"
#include "kernels/error.h"

namespace fovea::cudnn {
namespace {

constexpr LibraryName kCudnn{"libcudnn.so.9", "FOVEA_CUDNN", "cuDNN 9"};
// The oldest version that runs on a GPU, and the first that plans from a device's description. Those of both kinds that
// were built for CUDA 12 (for CUDA 13 there are none before 9.12) bring their own CUDA runtime, which shares streams
// and memory with this program's through the driver.
constexpr int kOldest = 90000, kOldestToDescribe = 91100;

const char* variable(const char* name) {
  const char* value = name == nullptr ? nullptr : std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

std::vector<std::string> matching(const std::string& pattern) {
  std::vector<std::string> found;
  glob_t matches{};
  if (glob(pattern.c_str(), 0, nullptr, &matches) == 0)
    for (size_t i = 0; i < matches.gl_pathc; ++i) found.emplace_back(matches.gl_pathv[i]);
  globfree(&matches);
  return found;
}

std::vector<std::string> library_folders() {
  std::vector<std::string> folders;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* root = variable(name)) folders.push_back(std::string(root) + "/lib64");
  for (const char* folder : {"/usr/local/cuda/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"})
    folders.emplace_back(folder);
  return folders;
}

// Where the python3 that is first on PATH has its packages: beside its bin folder as it is named there (a virtual
// environment's is a link), and as it is in truth.
std::vector<std::string> python_prefixes() {
  const char* path = variable("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path program = std::filesystem::path(folder) / "python3";
    if (folder.empty() || access(program.c_str(), X_OK) != 0) continue;
    std::error_code none;
    const std::filesystem::path real = std::filesystem::canonical(program, none);
    std::vector<std::string> prefixes{program.parent_path().parent_path().string()};
    if (!none) prefixes.push_back(real.parent_path().parent_path().string());
    return prefixes;
  }
  return {};
}

std::vector<std::string> conda_folders() {
  std::vector<std::string> folders;
  if (const char* prefix = variable("CONDA_PREFIX")) folders.push_back(std::string(prefix) + "/lib");
  for (const std::string& prefix : python_prefixes()) folders.push_back(prefix + "/lib");
  return folders;
}

std::vector<std::string> python_roots() {
  std::vector<std::string> roots;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* environment = variable(name)) roots.emplace_back(environment);
  for (const std::string& prefix : python_prefixes()) roots.push_back(prefix);
  for (const char* root : {"/usr/local", "/usr"}) roots.emplace_back(root);
  return roots;
}

std::string as_file(const std::string& place, const char* soname) {
  std::error_code none;
  return std::filesystem::is_directory(place, none) ? place + "/" + soname : place;
}

std::string file_of(void* handle, const std::string& place) {
  const link_map* loaded = nullptr;
  const bool known = dlinfo(handle, RTLD_DI_LINKMAP, &loaded) == 0 && loaded->l_name != nullptr;
  return known && *loaded->l_name != '\0' ? loaded->l_name : place;
}

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
  const char* asked = variable("FOVEA_CUBLASLT");
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
  if (version == 0) return cudnn.path + " is not cuDNN: no cudnnGetVersion";
  // Whether there is a GPU matters for an old one alone, and is not asked without need.
  const bool describes = version < kOldestToDescribe && (Gpu::only_described() || !gpu_status().usable());
  const int oldest = describes ? kOldestToDescribe : kOldest;
  if (version < oldest)
    return cudnn.path + " is cuDNN " + version_text(version) + ", too old: needs " + version_text(oldest) +
           " or a newer 9" + (describes ? ", to plan without a GPU" : "");
  if (hold_cublaslt(cudnn)) return "";
  return cudnn.path + " cannot be used without libcublasLt.so." + cuda_major_of(cudnn) +
         ", which was not found: install it, or name its file in FOVEA_CUBLASLT";
}

}  // namespace

std::vector<std::string> library_places(const LibraryName& name) {
  if (const char* asked = variable(name.variable)) return {as_file(asked, name.soname)};  // that one, or none
  std::vector<std::string> places{name.soname};
  const auto add = [&](const std::string& file) {
    std::error_code none;
    if (std::filesystem::exists(file, none) && std::find(places.begin(), places.end(), file) == places.end())
      places.push_back(file);
  };
  for (const auto& folders : {library_folders(), conda_folders()})
    for (const std::string& folder : folders) add(folder + "/" + name.soname);
  for (const std::string& root : python_roots())
    for (const char* packages : {"site-packages", "dist-packages"})
      for (const char* python : {"python3", "python3.*"})
        for (const std::string& file :
             matching(root + "/lib/" + python + "/" + packages + "/nvidia/*/lib/" + name.soname))
          add(file);
  return places;
}

FoundLibrary find_library(const LibraryName& name, const Refusal& refusal) {
  std::string last_error, refused;
  for (const std::string& place : library_places(name)) {
    void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      last_error = dlerror();
      continue;
    }
    const LoadedLibrary loaded{handle, file_of(handle, place)};
    const std::string why_not = refusal ? refusal(loaded) : "";
    if (why_not.empty()) return {loaded, ""};
    dlclose(handle);
    if (refused.find(why_not) == std::string::npos) refused += "; " + why_not;
  }
  std::string problem = std::string(name.what) + " (" + name.soname + ") was not found: ";
  if (const char* asked = variable(name.variable))
    return {{}, problem + name.variable + " names " + asked + (refused.empty() ? " (" + last_error + ")" : refused)};
  problem += "looked where the loader looks";
  for (const auto& folders : {library_folders(), conda_folders()})
    for (const std::string& folder : folders) problem += ", in " + folder;
  for (const std::string& root : python_roots()) problem += ", in Python's nvidia packages below " + root;
  return {{}, problem + refused + "; install it, or name its file in " + name.variable};
}

LoadedLibrary load_library(const LibraryName& name, const Refusal& refusal) {
  const FoundLibrary found = find_library(name, refusal);
  if (found.problem.empty()) return found.loaded;
  throw Error(ErrorKind::Runtime, found.problem + "; or use --device cpu");
}

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
