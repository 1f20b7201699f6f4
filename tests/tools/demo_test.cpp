// `fovea demo` where it does not get far. (The demo itself is run by .ci/run.)
#include <filesystem>
#include <fstream>

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

TEST_CASE("the demo shows its commands as a shell takes them, and goes on with a run that was stopped", "[demo]") {
  const test::TemporaryFolder folder;
  const std::string out = (folder.path() / "it's here").string();
  const test::ProcessResult result = test::run_fovea({"demo", "--resume", "--out", out});
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, Contains("holds no run to resume"));
  CHECK(result.out.empty());
  std::filesystem::create_directories(out);
  std::ofstream(out + "/last.safetensors") << "no weights";
  const test::ProcessResult again = test::run_fovea({"demo", "--out", out});
  CHECK(again.exit_code == 2);
  CHECK_THAT(again.err, Contains("already holds a run; resume it (--resume)"));
  CHECK(again.out.empty());
  const test::ProcessResult resumed = test::run_fovea({"demo", "--resume", "--out", out});
  CHECK(resumed.exit_code == 3);
  CHECK_THAT(resumed.out, Contains(" --out '" + folder.path().string() + R"(/it'\''s here' --resume --device auto)"));
}
