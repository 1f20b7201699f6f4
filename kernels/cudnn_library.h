// Shared libraries of NVIDIA found at run time by their sonames, so that nothing of them is needed on a machine that
// runs on its CPU. Looked for in this order: an environment variable (a file, or a folder that holds it); where the
// loader looks; the CUDA toolkit's and Debian's folders; packages of Python (nvidia/*/lib), of VIRTUAL_ENV and of the
// system.
#pragma once
#include <string>
#include <vector>

namespace fovea::cudnn {

struct LibraryName {
  const char* soname;    // "libcudnn.so.9"
  const char* variable;  // the environment variable that names it, or nullptr
  const char* what;      // "cuDNN 9", for messages
};

struct LoadedLibrary {
  void* handle = nullptr;
  std::string path;  // where it was found; the soname alone where the loader found it
};

// Files that may hold the library, in the order in which they are tried.
std::vector<std::string> library_places(const LibraryName& name);

// Throws Error(Runtime) that says in one line where was looked.
LoadedLibrary load_library(const LibraryName& name);

// cuDNN, loaded at the first call. Throws as above, and where it is older than 9.11.
struct Library {
  LoadedLibrary loaded;
  int version = 0;  // 91900 for 9.19.0
};
const Library& library();
std::string version_text(int version);  // "9.19.0"

}  // namespace fovea::cudnn
