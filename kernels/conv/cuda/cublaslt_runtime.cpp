#include "kernels/conv/cuda/cublaslt_runtime.h"

#include <optional>

#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/error.h"

namespace fovea::cublaslt {
namespace {

std::optional<Library> find() {
  try {
    return load_library();
  } catch (const Error&) {  // gpu_libraries() says it
    return std::nullopt;
  }
}

}  // namespace

const Library* library() {
  static const std::optional<Library> found = find();
  return found ? &*found : nullptr;
}

// One for the process, never destroyed: the driver may be gone by then.
cublasLtHandle_t handle() {
  static const cublasLtHandle_t made = [] {
    cublasLtHandle_t handle = nullptr;
    if (conv::cuda::device().is_described()) return handle;
    check(*library(), library()->create(&handle), "cublasLtCreate");
    return handle;
  }();
  return made;
}

}  // namespace fovea::cublaslt
