// Programs that are run aside: whatever they do ends with them.
#include "tools/device/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

constexpr std::chrono::seconds kLong{120};

ChildResult shell(const std::string& script, std::chrono::milliseconds limit = kLong) {
  return run_child({"/bin/sh", "-c", script}, limit);
}

}  // namespace

TEST_CASE("child: its output, exit code and signal are told", "[child]") {
  const ChildResult good = shell("echo out; echo err >&2; printf '%100000d' 7");
  CHECK(good.exit_code == 0);
  CHECK(good.signal == 0);
  CHECK(good.output.substr(0, 8) == "out\nerr\n");
  CHECK(good.output.size() == 8 + 100000);
  CHECK(shell("exit 5").exit_code == 5);
  const ChildResult crashed = shell("echo before; kill -SEGV $$");
  CHECK(crashed.signal == SIGSEGV);
  CHECK(crashed.output == "before\n");
  CHECK(run_child({"/nowhere"}, kLong).exit_code == 127);
  CHECK(shell("exec >&- 2>&-; exit 3").exit_code == 3);
}

TEST_CASE("child: one that does not end is killed at the limit, with what it has written", "[child]") {
  const ChildResult result = shell("trap '' TERM INT; echo there; while :; do sleep 1; done", std::chrono::seconds(1));
  CHECK(result.timed_out);
  CHECK(result.output == "there\n");
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);  // nothing is left to wait for
}

TEST_CASE("child: it ends when the process ends that runs it", "[child]") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "pid";
  const std::string script =
      "echo $$ >" + file.string() + ".new && mv " + file.string() + ".new " + file.string() + " && exec sleep 1000";
  const int parent = fork();
  if (parent == 0) {
    shell(script, std::chrono::hours(1));
    _exit(0);
  }
  const auto until = std::chrono::steady_clock::now() + kLong;
  const auto wait_for = [&](const auto& holds) {
    while (!holds() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return holds();
  };
  REQUIRE(wait_for([&] { return std::filesystem::exists(file); }));
  int child = 0;
  std::ifstream(file) >> child;
  REQUIRE(child > 0);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  CHECK(wait_for([&] {  // gone, or what init has not yet waited for
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    std::string number, name, state;
    return !(status >> number >> name >> state) || state == "Z";
  }));
}

TEST_CASE("info --check-gpu says in a line why there is no GPU to check", "[child]") {
  const auto result = run_fovea({"info", "--check-gpu"}, "exec env CUDA_VISIBLE_DEVICES= \"$0\" \"$@\"");
  CHECK((result.exit_code == 1 || result.exit_code == 2));  // without a driver, without CUDA in the build
  CHECK_THAT(result.err, Contains("fovea: --check-gpu: "));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
}
