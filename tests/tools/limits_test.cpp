// Limits that a system sets: of address space, stack, open files, file sizes and threads. Each ends with success or
// with one line and a code of ours, never in a crash of a library, and is never taken for bad data.
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/training_folder.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kReservesAddresses = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kReservesAddresses = true;
#else
constexpr bool kReservesAddresses = false;
#endif
#else
constexpr bool kReservesAddresses = false;
#endif

struct Training : TrainingFolder {
  Training() { make_data(data, 4, 2); }
  Arguments arguments(const std::string& name, const Arguments& more = {}) const {
    return TrainingFolder::arguments(name, joined({"--set", "train.steps=3", "--set", "train.eval_every=0"}, more));
  }
};

std::string limited(const std::string& limit) { return "ulimit " + limit + R"(; exec "$0" "$@")"; }

int64_t lines_of_fovea(const std::string& text) {
  int64_t count = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) count += line.starts_with("fovea: ") ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("limits: too little address space is out of memory, whatever asks for it", "[limits][fault]") {
  if (kReservesAddresses) SKIP_TEST("a sanitizer reserves more addresses than any limit");
  const Training training;
  int least = 32;  // MB with which the program's own libraries can be loaded
  while (run_fovea({"--version"}, limited(fmt::format("-v {}", least << 10))).exit_code != 0) least += 16;
  bool failed = false, succeeded = false;
  for (int more = 0; more < 1500 && !succeeded; more += more < 320 ? 48 : 200) {
    CAPTURE(least, more);
    const auto result = run_fovea(training.arguments("run"), limited(fmt::format("-v {}", (least + more) << 10)));
    CAPTURE(result.out, result.err);
    succeeded = result.exit_code == 0;
    if (succeeded) break;
    failed = true;
    CHECK((result.exit_code == 5 || result.exit_code == 1));
    CHECK(lines_of_fovea(result.err) == 1);
    CHECK_THAT(result.err, Contains("out of memory") || Contains("cannot start"));
    fs::remove_all(training.run("run"));
  }
  CHECK(failed);
  CHECK(succeeded);
}

TEST_CASE("limits: too many open files are no bad image", "[limits][fault]") {
  if (kReservesAddresses) SKIP_TEST("a sanitizer opens files of its own");
  const Training training;
  bool failed = false, succeeded = false;
  for (const int files : {4, 5, 6, 7, 8, 10, 12, 16, 32}) {
    CAPTURE(files);
    const auto result = run_fovea(training.arguments("run"), limited(fmt::format("-n {}", files)));
    CAPTURE(result.out, result.err);
    (result.exit_code == 0 ? succeeded : failed) = true;
    if (result.exit_code == 127) continue;  // too few to load the program's libraries
    CHECK((result.exit_code == 0 || result.exit_code == 1 || result.exit_code == 2));
    CHECK_THAT(result.err, !Contains("bad_images") && !Contains("cannot be read") && !Contains("unreadable"));
    if (result.exit_code != 0) CHECK_THAT(result.err, Contains("Too many open files"));
    fs::remove_all(training.run("run"));
  }
  CHECK(failed);
  CHECK(succeeded);
}

TEST_CASE("limits: a file that may not grow is said like a full disk, and no signal ends the program",
          "[limits][fault]") {
  const Training training;
  const auto result = run_fovea(training.arguments("run"), limited("-f 16"));
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("File too large"));
  CHECK(lines_of_fovea(result.err) == 2);  // of the best, which may wait, and the last
}

TEST_CASE("limits: a stack that libraries would overrun is out of memory, and a small one is enough",
          "[limits][fault]") {
  if (kReservesAddresses) SKIP_TEST("a sanitizer's frames are larger");
  const Training training;
  for (const auto& arguments : {training.arguments("run"), Arguments{"data", "check", training.data.string()}}) {
    const auto refused = run_fovea(arguments, limited("-s 64"));
    CAPTURE(refused.out, refused.err);
    CHECK(refused.exit_code == 5);
    CHECK_THAT(refused.err, Contains("the stack is limited to 64 kB") && Contains("ulimit -s"));
    CHECK(lines_of_fovea(refused.err) == 1);
  }
  const auto small = run_fovea(training.arguments("run"), limited("-s 256"));
  CAPTURE(small.out, small.err);
  CHECK(small.exit_code == 0);
}

TEST_CASE("limits: a number of threads that is none is refused", "[limits][fault]") {
  for (const std::string count : {"0", "-2", "many", "2,", "2x"}) {
    const auto refused = run_fovea({"--version"}, "OMP_NUM_THREADS=" + count + R"( exec "$0" "$@")");
    CAPTURE(count, refused.err);
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Contains("OMP_NUM_THREADS=" + count + ": expected a number of threads, at least 1"));
  }
  for (const std::string counts : {"1", "02", "2,1", "' 2'", "''"})
    CHECK(run_fovea({"--version"}, "OMP_NUM_THREADS=" + counts + R"( exec "$0" "$@")").exit_code == 0);
}

TEST_CASE("limits: threads that cannot be started are said with what to do", "[limits][fault]") {
  if (kReservesAddresses) SKIP_TEST("a sanitizer reserves more addresses than any limit");
  const Training training;
  const auto result = run_fovea(training.arguments("run"), "export OMP_NUM_THREADS=2000; " + limited("-v 4000000"));
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("cannot start the 2000 threads") && Contains("OMP_NUM_THREADS"));
  CHECK(lines_of_fovea(result.err) == 1);
}

TEST_CASE("limits: a batch that no machine holds is refused before an image is loaded", "[limits][fault]") {
  const Training training;
  const auto result = run_fovea(training.arguments("run", {"--device", "cpu", "--set", "train.batch=99999999"}));
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 5);
  CHECK(lines_of_fovea(result.err) == 1);
  CHECK_THAT(result.err,
             Contains("a step of 99999999 images needs more than ") && Contains("a smaller train.batch, at most"));
  CHECK_FALSE(fs::exists(training.run("run")));
}
