// What the program says of its own build.
#include <regex>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tools/device/build.h"
#include "tools/text/version.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

TEST_CASE("the first line of --version is version and commit, for programs", "[version]") {
  const std::string out = run_fovea({"--version"}).out, first = out.substr(0, out.find('\n'));
  CAPTURE(out);
  CHECK(std::regex_match(first, std::regex(R"(fovea \d+\.\d+\.\d+ \((commit [-+.,_/ A-Za-z0-9]+|unknown commit)\))")));
  CHECK(first == program_name());
  CHECK_THAT(first, Contains(kVersion) && Contains(kCommit));
  CHECK(std::regex_match(kVersionDay, std::regex(R"(\d{4}-\d\d-\d\d)")));
}

TEST_CASE("the version names compiler, build type, oneDNN, CUDA and MPI, and info the same", "[version]") {
  const std::string out = run_fovea({"--version"}).out;
  CHECK_THAT(out, Contains("\ncompiler: ") && Contains("\nconvolution library: oneDNN ") &&
                      Contains("\nCUDA kernels: ") && Contains("\nMPI: ") && Contains("; NCCL: "));
  CHECK(run_fovea({"info", "--preset", "tiny", "--device", "cpu"}).out.starts_with(out));
}
