// What takes the place of cuda_device_memory.cpp in builds without CUDA.
#include <cstdlib>
#include <string_view>

#include "kernels/error.h"
#include "tests/support/device_memory.h"

namespace fovea::test {

DeviceKind test_device() {
  const char* name = std::getenv("FOVEA_TEST_DEVICE");
  if (name == nullptr || std::string_view(name) == "cpu") return DeviceKind::Cpu;
  throw Error(ErrorKind::Usage, "FOVEA_TEST_DEVICE: expected cpu, for this build has no CUDA");
}

void use_device_memory() { test_device(); }

}  // namespace fovea::test
