// Which of NVIDIA's libraries a build with CUDA finds.
#include "kernels/conv/cuda/cudnn_library.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/error.h"

namespace fovea {

std::vector<GpuLibrary> gpu_libraries() {
  GpuLibrary cudnn{.name = "cuDNN"};
  GpuLibrary nvrtc{
      .name = "NVRTC",
      .without = "fused convolutions that cuDNN compiles at run time are unavailable and others run slower"};
  try {
    const cudnn::Library& found = cudnn::library();
    cudnn.version = cudnn::version_text(found.version);
    cudnn.path = found.loaded.path;
    nvrtc.version = found.compiler_version;
    nvrtc.path = found.compiler.loaded.path;
    nvrtc.problem = found.compiler.problem;
  } catch (const Error& error) {
    cudnn.problem = error.what();
    nvrtc.problem = "not looked for: its version depends on cuDNN";
    nvrtc.without = "";
  }
  return {cudnn, cublaslt_library(), nvrtc};
}

}  // namespace fovea
