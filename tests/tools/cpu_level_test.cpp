// FOVEA_CPU_LEVEL, as users set it.
#include "kernels/device/cpu_level.h"

#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/process.h"

using namespace fovea;
using Catch::Contains;
using test::ProcessResult;
using test::run_fovea;

namespace {

// Without what limits these tests themselves (scripts/check_levels). Empty: the CPU's own.
ProcessResult info_at(const std::string& level) {
  return run_fovea({"info", "--preset", "tiny"},
                   "unset GLIBC_TUNABLES ONEDNN_MAX_CPU_ISA DNNL_MAX_CPU_ISA; "
                   "FOVEA_CPU_LEVEL=" +
                       level + " exec \"$0\" \"$@\"");
}

// Whether this build has the kernels of all levels (FOVEA_MARCH=levels).
bool has_levels() {
  const std::filesystem::path program = test::fovea_path();
  return std::filesystem::exists(program.parent_path() / "lib/glibc-hwcaps/x86-64-v3");
}

}  // namespace

TEST_CASE("the kernels in use are those of the CPU, or of a lower level that is asked for and built", "[cpu_level]") {
  const std::string own = cpu_level(), built = kernel_level();
  if (has_levels()) CHECK_THAT(info_at("").out, Contains("kernels for " + own));
  for (const std::string level : {"x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    const ProcessResult result = info_at(level);
    INFO(level << " on " << own << ": " << result.err);
    const bool runs = has_levels() ? level <= own : level == built;
    CHECK(result.exit_code == (runs ? 0 : 2));
    if (runs)
      CHECK_THAT(result.out, Contains("kernels for " + level));
    else if (level > own)
      CHECK(result.err == "fovea: FOVEA_CPU_LEVEL=" + level + ": this CPU has " + own + "\n");
    else
      CHECK_THAT(result.err, Contains("FOVEA_CPU_LEVEL=" + level + ": this build has the kernels for " + built + ";"));
  }
}

TEST_CASE("fault: a level of the CPU that does not exist is refused in a line", "[cpu_level]") {
  const ProcessResult result = info_at("avx2");
  CHECK(result.exit_code == 2);
  CHECK(result.err == "fovea: FOVEA_CPU_LEVEL=avx2: must be x86-64-v2, x86-64-v3 or x86-64-v4\n");
}
