#include "kernels/device/shared_library.h"

#include <dlfcn.h>
#include <glob.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "kernels/advice.h"
#include "kernels/device/environment.h"
#include "kernels/error.h"

namespace fovea {
namespace {

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
    if (const char* root = environment(name)) folders.push_back(std::string(root) + "/lib64");
  for (const char* folder : {"/usr/local/cuda/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"})
    folders.emplace_back(folder);
  return folders;
}

// Where the python3 that is first on PATH has its packages: beside its bin folder as it is named there (a virtual
// environment's is a link), and as it is in truth.
std::vector<std::string> python_prefixes() {
  const char* path = environment("PATH");
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
  if (const char* prefix = environment("CONDA_PREFIX")) folders.push_back(std::string(prefix) + "/lib");
  for (const std::string& prefix : python_prefixes()) folders.push_back(prefix + "/lib");
  return folders;
}

std::vector<std::string> python_roots() {
  std::vector<std::string> roots;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* root = environment(name)) roots.emplace_back(root);
  for (const std::string& prefix : python_prefixes()) roots.push_back(prefix);
  for (const char* root : {"/usr/local", "/usr"}) roots.emplace_back(root);
  return roots;
}

// The packages' folder where this program is part of one (PACKAGES/fovea/bin/fovea), else some folder above it.
std::string packages_around_program() {
  const auto* started = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (started == nullptr) return "";
  std::error_code none;
  const std::filesystem::path program = std::filesystem::canonical(started, none);
  return none ? "" : program.parent_path().parent_path().parent_path().string();
}

std::string file_of(void* handle, const std::string& place) {
  const link_map* loaded = nullptr;
  const bool known = dlinfo(handle, RTLD_DI_LINKMAP, &loaded) == 0 && loaded->l_name != nullptr;
  return known && *loaded->l_name != '\0' ? loaded->l_name : place;
}

}  // namespace

std::string as_file(const std::string& place, const char* soname) {
  std::error_code none;
  return std::filesystem::is_directory(place, none) ? place + "/" + soname : place;
}

std::vector<std::string> library_places(const LibraryName& name) {
  if (const char* asked = environment(name.variable)) return {as_file(asked, name.soname)};  // that one, or none
  std::vector<std::string> places{name.soname};
  const auto add = [&](const std::string& file) {
    std::error_code none;
    if (std::filesystem::exists(file, none) && std::find(places.begin(), places.end(), file) == places.end())
      places.push_back(file);
  };
  for (const auto& folders : {library_folders(), conda_folders()})
    for (const std::string& folder : folders) add(folder + "/" + name.soname);
  for (const std::string& file : matching(packages_around_program() + "/nvidia/*/lib/" + name.soname)) add(file);
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
  if (const char* asked = environment(name.variable))
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
  throw Error(ErrorKind::Runtime, found.problem + "; or " + advise(advice::kUseCpu));
}

}  // namespace fovea
