// NVIDIA's libraries that are found when the program runs: which were found, and where.
#pragma once
#include <string>
#include <vector>

namespace fovea {

struct GpuLibrary {
  std::string name;           // "cuDNN"
  std::string version, path;  // empty: it was not found
  std::string problem;        // then: why, one line
  std::string without;        // what is so without it
};

// cuDNN, cuBLASLt, NVRTC; none in a build without CUDA. Loads them.
std::vector<GpuLibrary> gpu_libraries();

// Of cuBLASLt, in the file that convolutions as matrix products are in, or in the one that says that there are none.
GpuLibrary cublaslt_library();

std::string text_of(const GpuLibrary& library);  // "cuDNN: 9.19.0, /usr/lib/x86_64-linux-gnu/libcudnn.so.9"
// {"cuDNN":{"version":"9.19.0","path":"/usr/lib/x86_64-linux-gnu/libcudnn.so.9"},…}, null for one that is not there.
std::string json_of(const std::vector<GpuLibrary>& libraries);

// Says on stderr, once in a process, what works without a library, but slower.
void warn_of_missing_libraries();

}  // namespace fovea
