// `fovea demo` away from its example images. (The demo itself is run by .ci/run.)
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;
using Catch::Contains;

TEST_CASE("fault: the demo without its example images says where they should be", "[demo]") {
  const test::TemporaryFolder folder;
  const std::filesystem::path program = folder.path() / "bin/fovea";
  std::filesystem::create_directory(program.parent_path());
  std::filesystem::copy_file(test::fovea_path(), program);
  const test::ProcessResult result =
      test::run_fovea({}, program.string() + " demo --out " + (folder.path() / "out").string());
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err,
             Contains("the example images are missing: " + (folder.path() / "share/fovea/examples").string()));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "out"));
}
