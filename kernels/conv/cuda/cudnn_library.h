// cuDNN, found when the program runs (kernels/device/shared_library.h says where).
#pragma once
#include <string>

#include "kernels/device/shared_library.h"

namespace fovea::cudnn {

// cuDNN, loaded at the first call. Throws as load_library() does, and where there are only versions that are too old:
// before 9.0, or before 9.11 where no GPU can be used, since older ones cannot plan for a description; or none with its
// cuBLASLt.
struct Library {
  LoadedLibrary loaded;
  int version = 0;        // 91900 for 9.19.0
  FoundLibrary compiler;  // NVRTC: without it there are no kernels that cuDNN compiles at run time
  std::string compiler_version;
};
const Library& library();
std::string version_text(int version);  // "9.19.0"

}  // namespace fovea::cudnn
