#include "tools/report/progress.h"

#include <unistd.h>

#include <csignal>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "kernels/error.h"
#include "tests/support/catch.h"

using namespace fovea;
using Catch::Contains;

namespace {

// What a progress display writes, by a clock that the test turns.
struct Recorded {
  char* text = nullptr;
  size_t size = 0;
  FILE* file = open_memstream(&text, &size);
  double now = 100;
  ~Recorded() {
    std::fclose(file);
    std::free(text);
  }
  ProgressOptions options(bool terminal) {
    return {.out = file, .terminal = terminal, .seconds = [this] { return now; }};
  }
  std::string written() {
    std::fflush(file);
    return {text, size};
  }
};

}  // namespace

TEST_CASE("durations read like clocks", "[progress]") {
  CHECK(format_duration(0) == "0:00");
  CHECK(format_duration(65.4) == "1:05");
  CHECK(format_duration(7384) == "2:03:04");
  CHECK(format_duration(-3) == "0:00");
}

TEST_CASE("away from a terminal progress is a line every ten seconds, the first and the last", "[progress]") {
  Recorded out;
  Progress progress(100, 0, out.options(false));
  for (int step = 1; step <= 100; ++step) {
    out.now += 0.5;
    progress.update(step, 2.0 / step, 8);
  }
  progress.finish();
  std::istringstream lines(out.written());
  std::vector<std::string> list;
  for (std::string line; std::getline(lines, line);) list.push_back(line);
  REQUIRE(list.size() == 6);  // at 0.5, 10.5, 20.5, 30.5, 40.5 and 50 s
  CHECK(list[0] == "step 1/100  loss 2.0000  16.0 images/s  ETA 0:50");
  CHECK(list[1] == "step 21/100  loss 0.0952  16.0 images/s  ETA 0:40");
  CHECK(list[5] == "step 100/100  loss 0.0200  16.0 images/s  ETA 0:00");
  CHECK_THAT(out.written(), !Contains("\x1b") && !Contains("\r"));
}

TEST_CASE("on a terminal progress is one bar, redrawn at most ten times a second, with messages above it",
          "[progress]") {
  Recorded out;
  Progress progress(1000, 0, out.options(true));
  for (int step = 1; step <= 500; ++step) {
    out.now += 0.01;
    progress.update(step, 1, 4);
  }
  const std::string before = out.written();
  const auto redraws = std::count(before.begin(), before.end(), '\r');
  CHECK((redraws >= 45 && redraws <= 51));
  CHECK(std::count(before.begin(), before.end(), '\n') == 0);
  CHECK_THAT(before, Contains("=") && Contains("400.0 images/s"));
  progress.message("AP 0.5");
  CHECK_THAT(out.written(), Contains("\r\x1b[KAP 0.5\n["));
  progress.finish();
  CHECK(out.written().back() == '\n');
}

TEST_CASE("time spent on something else does not count, and resumed steps neither", "[progress]") {
  Recorded out;
  Progress progress(100, 50, out.options(false));
  out.now += 1;
  progress.update(51, 1, 10);
  out.now += 1000;  // a validation
  progress.restart_clock();
  out.now += 1;
  progress.update(52, 1, 10);
  CHECK_THAT(out.written(), Contains("step 52/100  loss 1.0000  10.0 images/s  ETA 0:48"));
}

TEST_CASE("work without a loss and of other units says so", "[progress]") {
  Recorded out;
  ProgressOptions options = out.options(false);
  options.unit = "image";
  Progress progress(70, 0, options);
  out.now += 1;
  progress.update(1, {}, 1);
  CHECK(out.written() == "image 1/70  1.0 images/s  ETA 1:09\n");
}

TEST_CASE("fault: a closed output ends a run as an interruption, a full disk as an error", "[progress][fault]") {
  const auto update = [](FILE* out) {
    REQUIRE(out != nullptr);
    Progress progress(10, 0, {.out = out, .terminal = false, .seconds = {}});
    try {
      progress.update(1, 1, 1);
    } catch (const Error& error) {
      std::fclose(out);
      return error.kind();
    }
    throw std::runtime_error("no error");
  };
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  close(pipe_ends[0]);
  const auto handler = std::signal(SIGPIPE, SIG_IGN);
  CHECK(update(fdopen(pipe_ends[1], "w")) == ErrorKind::Interrupted);
  std::signal(SIGPIPE, handler);
  CHECK(update(std::fopen("/dev/full", "w")) == ErrorKind::Runtime);
}
