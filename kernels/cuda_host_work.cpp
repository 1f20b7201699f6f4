#include "kernels/cuda_host_work.h"

namespace fovea {

void submit_host_work(Queue&, const char* name, const std::function<void()>&) {
  throw Error(ErrorKind::Runtime, std::string(name) + ": this version does not convolve on the GPU; use --device cpu");
}

}  // namespace fovea
