// The file of plans, and how libraries are looked for: neither needs cuDNN.
#include "kernels/cudnn_plan_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kernels/cudnn_library.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;
using namespace fovea::cudnn;

namespace {

StoredPlans some_plans() {
  StoredPlans plans;
  plans["forward bf16 1 2 3"] = {{"eng41_k2=0", KernelKind::Hopper, 30, 28, 131}, 1.25e-4, {'a', '\n', 0, '\t', 255}};
  plans["weight fp32 4"] = {{"eng0", KernelKind::Earlier, 7, 0, size_t{1} << 40}, 0, {}};
  return plans;
}

// Sets an environment variable for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    const char* before = std::getenv(name);
    had_ = before != nullptr;
    if (had_) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { had_ ? setenv(name_, before_.c_str(), 1) : unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  bool had_;
  std::string before_;
};

}  // namespace

TEST_CASE("plans come back from their file as they were", "[cudnn]") {
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

TEST_CASE("a file of plans with any byte changed or cut off is refused, as is one for another device", "[cudnn]") {
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

TEST_CASE("a file of plans is replaced whole, and its folder is made", "[cudnn]") {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "a" / "plans").string();
  CHECK(read_plan_file(path).empty());
  write_plan_file(path, "one");
  write_plan_file(path, "two");
  CHECK(read_plan_file(path) == "two");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path() / "a"), {}) == 1);
  CHECK_THROWS_AS(write_plan_file(path + "/below/a/file", "three"), Error);
}

TEST_CASE("plans are kept below XDG_CACHE_HOME, else in the home folder", "[cudnn]") {
  const Variable home("HOME", "/home/x");
  {
    const Variable cache("XDG_CACHE_HOME", "/cache");
    CHECK(plan_folder() == "/cache/fovea");
  }
  const Variable cache("XDG_CACHE_HOME", "");
  CHECK(plan_folder() == "/home/x/.cache/fovea");
}

TEST_CASE("a library is looked for where its variable says, else in toolkits and Python's packages", "[cudnn]") {
  const test::TemporaryFolder folder;
  const auto package = folder.path() / "lib/python3.11/site-packages/nvidia/thing/lib";
  std::filesystem::create_directories(package);
  std::ofstream(package / "libnosuchthing.so.7") << "no library";
  const Variable environment("VIRTUAL_ENV", folder.path().string());
  const LibraryName name{"libnosuchthing.so.7", "FOVEA_NOSUCHTHING", "the thing"};
  CHECK(library_places(name) ==
        std::vector<std::string>{"libnosuchthing.so.7", (package / "libnosuchthing.so.7").string()});
  CHECK_THROWS_WITH(load_library(name), Catch::Matchers::Contains("the thing (libnosuchthing.so.7) was not found") &&
                                            Catch::Matchers::Contains("/usr/local/cuda/lib64") &&
                                            Catch::Matchers::Contains(folder.path().string()));
  const Variable asked("FOVEA_NOSUCHTHING", package.string());
  CHECK(library_places(name) == std::vector<std::string>{(package / "libnosuchthing.so.7").string()});
  CHECK_THROWS_WITH(load_library(name), Catch::Matchers::Contains("FOVEA_NOSUCHTHING names"));
}
