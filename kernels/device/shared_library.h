// Shared libraries of NVIDIA found at run time by their sonames, so that nothing of them is needed on a machine that
// runs on its CPU. Looked for in this order, the first that may be used is taken:
//   an environment variable (a file, or a folder that holds it): that one or none;
//   where the system's loader looks; the CUDA toolkit's and Debian's folders;
//   conda: CONDA_PREFIX/lib, and lib beside the bin folder of the python3 that is first on PATH;
//   Python's packages (nvidia/*/lib): beside this program where it is one itself; of VIRTUAL_ENV, CONDA_PREFIX, that
//   python3, and the system.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace fovea {

struct LibraryName {
  const char* soname;    // "libcudnn.so.9"
  const char* variable;  // the environment variable that names it, or nullptr
  const char* what;      // "cuDNN 9", for messages
};

struct LoadedLibrary {
  void* handle = nullptr;
  std::string path;  // of its file
};

// Why a library may not be used, or "".
using Refusal = std::function<std::string(const LoadedLibrary&)>;

struct FoundLibrary {
  LoadedLibrary loaded;
  std::string problem;  // one line: where was looked, and what was refused; empty: it was found
};

// The place itself, or the library in it where it is a folder.
std::string as_file(const std::string& place, const char* soname);

// Files that may hold the library, in the order in which they are tried.
std::vector<std::string> library_places(const LibraryName& name);

FoundLibrary find_library(const LibraryName& name, const Refusal& refusal = nullptr);

// Throws Error(Runtime) that says the problem.
LoadedLibrary load_library(const LibraryName& name, const Refusal& refusal = nullptr);

}  // namespace fovea
