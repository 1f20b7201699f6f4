// The definitions come from tools/CMakeLists.txt, for this file alone.
#include "tools/device/build.h"

#include <fmt/format.h>

#include <string_view>

#include "kernels/conv/conv.h"
#include "kernels/device/cuda_device.h"
#include "tools/text/version.h"

namespace fovea {

std::string program_name() {
  const std::string_view commit = kCommit;
  return fmt::format("fovea {} ({})", kVersion, commit.empty() ? "unknown commit" : fmt::format("commit {}", commit));
}

std::string build_text() {
  constexpr char type[] = FOVEA_BUILD_TYPE, cuda[] = FOVEA_CUDA_VERSION;  // empty: none
  return fmt::format("{}\ncompiler: {}, {}\nconvolution library: {}\nCUDA kernels: {}{}\nMPI: {}; NCCL: {}\n",
                     program_name(), FOVEA_COMPILER, *type == '\0' ? "no build type" : type,
                     kernels::convolution_library(), compiled_architectures(),
                     *cuda == '\0' ? "" : fmt::format(" (CUDA {})", cuda), FOVEA_WITH_MPI ? "yes" : "no",
                     FOVEA_WITH_NCCL ? "yes" : "no");
}

bool built_with_mpi() { return FOVEA_WITH_MPI; }

}  // namespace fovea
