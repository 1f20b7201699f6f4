// cuBLASLt found at run time by its soname, as cuDNN is (shared_library.h says where). Without it nothing is lost but
// speed: the convolutions that are matmuls then run through cuDNN like the others.
#pragma once
#include <cublasLt.h>

#include <string>

#include "kernels/device/shared_library.h"

namespace fovea::cublaslt {

// The functions that are used, by their names without "cublasLt" and "Matmul".
struct Library {
  LoadedLibrary loaded;
  size_t version = 0;  // 130100 for 13.1.0
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtGetStatusString) status_string = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulAlgoCheck) algorithm_check = nullptr;
  decltype(&cublasLtMatmulAlgoConfigGetAttribute) algorithm_get = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
};

// Of the major version that this build's headers are of; FOVEA_CUBLASLT names its file or folder. Throws Error(Runtime)
// where there is none, or where it lacks a function.
Library load_library();

std::string version_text(size_t version);  // "13.1.0"

// Throws DeviceError saying that `what` failed, and how: OutOfMemory, or Runtime.
void check(const Library& library, cublasStatus_t status, const std::string& what);

}  // namespace fovea::cublaslt
