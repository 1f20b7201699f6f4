// Stands for libcudnn, libcublasLt and libnvrtc: enough of each to be found and asked for its version.
#include <cstddef>

extern "C" {

size_t cudnnGetVersion() { return DOUBLE_CUDNN_VERSION; }
size_t cudnnGetCudartVersion() { return 13000; }
int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return 0;
}
size_t cublasLtGetVersion() { return 130100; }
#define DOUBLE(name) \
  int name() { return 1; }
DOUBLE(cublasLtCreate)
DOUBLE(cublasLtGetStatusString)
DOUBLE(cublasLtMatmulDescCreate)
DOUBLE(cublasLtMatmulDescDestroy)
DOUBLE(cublasLtMatmulDescSetAttribute)
DOUBLE(cublasLtMatrixLayoutCreate)
DOUBLE(cublasLtMatrixLayoutDestroy)
DOUBLE(cublasLtMatmulPreferenceCreate)
DOUBLE(cublasLtMatmulPreferenceDestroy)
DOUBLE(cublasLtMatmulPreferenceSetAttribute)
DOUBLE(cublasLtMatmulAlgoGetHeuristic)
DOUBLE(cublasLtMatmulAlgoCheck)
DOUBLE(cublasLtMatmulAlgoConfigGetAttribute)
DOUBLE(cublasLtMatmul)
}
