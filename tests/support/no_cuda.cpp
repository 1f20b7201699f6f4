// What takes the place of cuda_device_memory.cpp in builds without CUDA.
#include "kernels/error.h"
#include "tests/support/device_memory.h"

namespace fovea::test {

void use_device_memory() {
  if (test_device() == DeviceKind::Cuda)
    throw Error(ErrorKind::Usage, "FOVEA_TEST_DEVICE=cuda: this build has no CUDA");
}

}  // namespace fovea::test
