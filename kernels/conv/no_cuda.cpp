// Builds without CUDA: compiled in the place of backend_cuda.cpp and cudnn_*.cpp.
#include "kernels/advice.h"
#include "kernels/conv/backend.h"

namespace fovea::kernels {

std::unique_ptr<ConvBackend> make_cudnn_backend(const ConvPreference&) {
  throw Error(ErrorKind::Runtime,
              "this build has no CUDA: configure with -DFOVEA_CUDA=ON, or " + advise(advice::kUseCpu));
}

}  // namespace fovea::kernels
