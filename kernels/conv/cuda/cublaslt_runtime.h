// What matmuls need a real device for. Like cudnn_runtime.h an interface that is chosen at link time:
// cublaslt_runtime.cpp gives the library of the machine; an executable that defines these functions itself (both) gets
// its own, which is how tests run matmuls on machines without a GPU.
#pragma once
#include "kernels/conv/cuda/cublaslt_library.h"

namespace fovea::cublaslt {

// nullptr where there is none (gpu_libraries.h says why).
const Library* library();

// For the device at hand; nullptr where there is none, so that only the library is known. Throws Error(Runtime) where
// the library does not take the device.
cublasLtHandle_t handle();

}  // namespace fovea::cublaslt
