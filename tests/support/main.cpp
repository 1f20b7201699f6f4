#define CATCH_CONFIG_RUNNER
#include "kernels/device/cpu_level.h"
#include "tests/support/catch.h"
#include "tests/support/device_memory.h"

int main(int argc, char** argv) {
  fovea::use_asked_cpu_level(argv);  // scripts/check_levels
  fovea::test::use_device_memory();
  Catch::Session session;
  if (const int wrong = session.applyCommandLine(argc, argv); wrong != 0) return wrong;
#if CATCH_VERSION_MAJOR == 2                       // 3 does so by itself
  auto& warnings = session.configData().warnings;  // a name that no test has is an error
  warnings = static_cast<Catch::WarnAbout::What>(warnings | Catch::WarnAbout::NoTests);
#endif
  return session.run();
}
