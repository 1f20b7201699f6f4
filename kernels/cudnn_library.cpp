#include "kernels/cudnn_library.h"

#include <dlfcn.h>
#include <glob.h>

#include <cstdlib>
#include <filesystem>

#include "kernels/error.h"

namespace fovea::cudnn {
namespace {

constexpr LibraryName kCudnn{"libcudnn.so.9", "FOVEA_CUDNN", "cuDNN 9"};
constexpr int kOldest = 91100;  // plans from a device's description

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

std::vector<std::string> python_roots() {
  std::vector<std::string> roots;
  if (const char* environment = variable("VIRTUAL_ENV")) roots.emplace_back(environment);
  for (const char* root : {"/usr/local", "/usr"}) roots.emplace_back(root);
  return roots;
}

std::string as_file(const std::string& place, const char* soname) {
  std::error_code none;
  return std::filesystem::is_directory(place, none) ? place + "/" + soname : place;
}

// cuDNN looks for its compiler for every graph, and lets go of it again: held here, that costs nothing, and it is found
// where Python keeps it, too. Without it there are no kernels that are compiled at run time.
void hold_compiler(void* cudnn) {
  const auto cuda_version = reinterpret_cast<size_t (*)()>(dlsym(cudnn, "cudnnGetCudartVersion"));
  if (cuda_version == nullptr) return;
  const std::string soname = "libnvrtc.so." + std::to_string(cuda_version() / 1000);
  for (const std::string& place : library_places({soname.c_str(), nullptr, "NVRTC"}))
    if (dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return;
}

}  // namespace

std::vector<std::string> library_places(const LibraryName& name) {
  if (const char* asked = variable(name.variable)) return {as_file(asked, name.soname)};  // that one, or none
  std::vector<std::string> places{name.soname};
  const auto add_file = [&](const std::string& file) {
    std::error_code none;
    if (std::filesystem::exists(file, none)) places.push_back(file);
  };
  for (const std::string& folder : library_folders()) add_file(folder + "/" + name.soname);
  for (const std::string& root : python_roots())
    for (const char* packages : {"site-packages", "dist-packages"})
      for (const char* python : {"python3", "python3.*"})
        for (const std::string& file :
             matching(root + "/lib/" + python + "/" + packages + "/nvidia/*/lib/" + name.soname))
          places.push_back(file);
  return places;
}

LoadedLibrary load_library(const LibraryName& name) {
  std::string last_error;
  for (const std::string& place : library_places(name)) {
    if (void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return {handle, place};
    last_error = dlerror();
  }
  std::string message = std::string(name.what) + " (" + name.soname + ") was not found: ";
  if (const char* asked = variable(name.variable))
    throw Error(ErrorKind::Runtime, message + name.variable + " names " + asked + " (" + last_error + ")");
  message += "looked where the loader looks";
  for (const std::string& folder : library_folders()) message += ", in " + folder;
  for (const std::string& root : python_roots()) message += ", in Python's nvidia packages below " + root;
  if (name.variable != nullptr) message += "; install it, or name its file in " + std::string(name.variable);
  throw Error(ErrorKind::Runtime, message + "; or use --device cpu");
}

std::string version_text(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

const Library& library() {
  static const Library found = [] {
    Library library{load_library(kCudnn)};
    const auto version = reinterpret_cast<size_t (*)()>(dlsym(library.loaded.handle, "cudnnGetVersion"));
    if (version == nullptr) throw Error(ErrorKind::Runtime, library.loaded.path + " is not cuDNN: no cudnnGetVersion");
    library.version = static_cast<int>(version());
    if (library.version < kOldest)
      throw Error(ErrorKind::Runtime, "cuDNN " + version_text(library.version) + " (" + library.loaded.path +
                                          ") is too old: needs " + version_text(kOldest) + " or a newer 9");
    hold_compiler(library.loaded.handle);
    return library;
  }();
  return found;
}

}  // namespace fovea::cudnn
