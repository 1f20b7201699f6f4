// The file of plans, which needs no cuDNN.
#include "kernels/conv/cuda/plan_file.h"

#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;
using namespace fovea::conv::cuda;
using namespace fovea::cudnn;

namespace {

StoredPlans some_plans() {
  StoredPlans plans;
  plans["forward bf16 1 2 3"] = {{"eng41_k2=0", KernelKind::Hopper, 30, 28, 131}, 1.25e-4, {'a', '\n', 0, '\t', 255}};
  plans["weight fp32 4"] = {{"eng0", KernelKind::Earlier, 7, 0, size_t{1} << 40}, 0, {}};
  return plans;
}

}  // namespace

TEST_CASE("plans come back from their file as they were", "[plans]") {
  const StoredPlans plans = some_plans();
  const StoredPlans read = unpack_plans("cuDNN 9.19.0 on X", pack_plans("cuDNN 9.19.0 on X", plans));
  REQUIRE(read.size() == plans.size());
  for (const auto& [key, plan] : plans) {
    CAPTURE(key);
    const StoredPlan& other = read.at(key);
    CHECK(other.info.engine == plan.info.engine);
    CHECK(other.info.kind == plan.info.kind);
    CHECK(other.info.candidates == plan.info.candidates);
    CHECK(other.info.hopper == plan.info.hopper);
    CHECK(other.info.workspace == plan.info.workspace);
    CHECK(other.seconds == plan.seconds);
    CHECK(other.bytes == plan.bytes);
  }
}

TEST_CASE("a file of plans with any byte changed or cut off is refused, as is one for another device", "[plans]") {
  const std::string content = pack_plans("here", some_plans());
  CHECK_THROWS_WITH(unpack_plans("there", content), Catch::Matchers::Contains("is for here"));
  for (size_t i = 0; i < content.size(); ++i) {
    CAPTURE(i);
    std::string other = content;
    other[i] = static_cast<char>(other[i] ^ 1);
    CHECK_THROWS_AS(unpack_plans("here", other), Error);
  }
  size_t whole = 0;  // cut between two plans it is a shorter file of plans
  for (size_t length = 0; length < content.size(); ++length) try {
      unpack_plans("here", content.substr(0, length));
      ++whole;
    } catch (const Error&) {
    }
  CHECK(whole == 2);
}

TEST_CASE("a file of plans is replaced whole, and its folder is made", "[plans]") {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "a" / "plans").string();
  CHECK(read_plan_file(path).empty());
  write_plan_file(path, "one");
  write_plan_file(path, "two");
  CHECK(read_plan_file(path) == "two");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path() / "a"), {}) == 1);
  CHECK_THROWS_AS(write_plan_file(path + "/below/a/file", "three"), Error);
}
