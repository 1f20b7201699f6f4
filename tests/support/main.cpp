#define CATCH_CONFIG_RUNNER
#include "tests/support/catch.h"
#include "tests/support/device_memory.h"

int main(int argc, char** argv) {
  fovea::test::use_device_memory();
  return Catch::Session().run(argc, argv);
}
