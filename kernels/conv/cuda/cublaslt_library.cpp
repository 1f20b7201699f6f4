#include "kernels/conv/cuda/cublaslt_library.h"

#include <dlfcn.h>

#include "kernels/advice.h"
#include "kernels/error.h"

namespace fovea::cublaslt {

Library load_library() {
  const std::string major = std::to_string(CUBLAS_VER_MAJOR), soname = "libcublasLt.so." + major,
                    what = "cuBLASLt " + major;
  const FoundLibrary found = find_library({soname.c_str(), "FOVEA_CUBLASLT", what.c_str()});
  if (!found.problem.empty()) throw Error(ErrorKind::Runtime, found.problem);
  Library library{found.loaded};
  const auto find = [&](auto& function, const char* name) {
    void* found = dlsym(library.loaded.handle, name);
    if (found == nullptr)
      throw Error(ErrorKind::Runtime, library.loaded.path + " is not " + what + ": it has no " + name);
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  decltype(&cublasLtGetVersion) version = nullptr;
  find(version, "cublasLtGetVersion");
  library.version = version();
  find(library.create, "cublasLtCreate");
  find(library.status_string, "cublasLtGetStatusString");
  find(library.desc_create, "cublasLtMatmulDescCreate");
  find(library.desc_destroy, "cublasLtMatmulDescDestroy");
  find(library.desc_set, "cublasLtMatmulDescSetAttribute");
  find(library.layout_create, "cublasLtMatrixLayoutCreate");
  find(library.layout_destroy, "cublasLtMatrixLayoutDestroy");
  find(library.preference_create, "cublasLtMatmulPreferenceCreate");
  find(library.preference_destroy, "cublasLtMatmulPreferenceDestroy");
  find(library.preference_set, "cublasLtMatmulPreferenceSetAttribute");
  find(library.heuristic, "cublasLtMatmulAlgoGetHeuristic");
  find(library.algorithm_check, "cublasLtMatmulAlgoCheck");
  find(library.algorithm_get, "cublasLtMatmulAlgoConfigGetAttribute");
  find(library.matmul, "cublasLtMatmul");
  return library;
}

std::string version_text(size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

void check(const Library& library, cublasStatus_t status, const std::string& what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string text =
      "cuBLASLt " + version_text(library.version) + ": " + what + " failed: " + library.status_string(status);
  if (status == CUBLAS_STATUS_ALLOC_FAILED)
    throw DeviceError(ErrorKind::OutOfMemory, text + "; " + advise(advice::kUseLessMemory));
  throw DeviceError(ErrorKind::Runtime, text);
}

}  // namespace fovea::cublaslt
