#include "tests/support/device_memory.h"

#include <cstdlib>
#include <string_view>

#include "kernels/error.h"

namespace fovea::test {

DeviceKind test_device() {
  const char* name = std::getenv("FOVEA_TEST_DEVICE");
  const std::string_view device = name == nullptr ? "cpu" : name;
  if (device == "cpu") return DeviceKind::Cpu;
  if (device == "cuda") return DeviceKind::Cuda;
  throw Error(ErrorKind::Usage, "FOVEA_TEST_DEVICE: expected cpu or cuda");
}

}  // namespace fovea::test
