#include "tools/report/progress.h"

#include <cmath>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tools/report/pace.h"
#include "tools/text/stop.h"
#include "tools/train/averages.h"

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

TEST_CASE("the first steps, which are slow, do not count once there are others", "[progress]") {
  Recorded out;
  Progress progress(1000, 0, out.options(false));
  int64_t step = 0;
  for (const double seconds : {60.0, 11.0, 1.0, 1.0, 1.0}) {
    out.now += seconds;
    progress.update(++step, {}, 10);
  }
  out.now += 10;
  progress.restart_clock();
  while (step < 20) {
    out.now += 1;
    progress.update(++step, {}, 10);
  }
  CHECK_THAT(out.written(), Contains("step 1/1000  0.2 images/s  ETA 16:39:00\n") &&
                                Contains("step 2/1000  0.9 images/s  ETA 3:02:58\n") && Contains("  10.0 images/s"));
}

TEST_CASE("the images of a batch, which come at once, count as one piece of work", "[progress]") {
  Pace pace;
  for (int batch = 0; batch < 4; ++batch)
    for (int image = 0; image < 8; ++image) pace.add(image == 0 ? (batch == 0 ? 100 : 2) : 0, 1, 1);
  CHECK(pace.images_per_second() == Approx(4));
  CHECK(pace.seconds_per_step() == Approx(0.25));
}

TEST_CASE("a pace is that of the last steps together, once the slow first ones are over", "[progress]") {
  Pace pace;
  for (const double seconds : {9.0, 9.0, 1.0, 3.0}) pace.add(seconds, 1, 1);
  const double kept = std::exp(-3.0 / 20);
  CHECK(pace.seconds_per_step() == Approx((kept * 1 + 3) / (kept + 1)));
}

TEST_CASE("a clock of steps leaves out what lies between, and knows no time of a step in which the program stood",
          "[progress]") {
  double now = 5;
  StepClock clock([&] { return now; });
  now += 2;
  CHECK(clock.step() == 2);
  now += 1;  // of the next step: the device is waited for
  clock.pause();
  now += 1000;
  clock.go_on();
  now += 3;
  CHECK(clock.step() == 4);
  const auto handler = std::signal(SIGCONT, SIG_DFL);
  catch_stop_signals();
  std::raise(SIGCONT);
  now += 500;
  CHECK_FALSE(clock.step());
  now += 2;
  CHECK(clock.step() == 2);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) std::signal(signal, SIG_DFL);
  std::signal(SIGCONT, handler);
}

TEST_CASE("the log's images a second are those of the steps whose time is known, without the first", "[progress]") {
  Averages averages;
  const auto speed = [&] {
    const std::string line = averages.line(1, 1, 0.1);
    const std::string key = "\"images_per_second\":";
    return line.substr(line.find(key) + key.size());
  };
  averages.add({}, 4, {std::nullopt, false});
  CHECK(speed() == "null}");
  averages.add({}, 4, {10, true});
  CHECK(speed() == "0.400}");
  averages.add({}, 4, {2, false});
  averages.add({}, 4, {1, false});
  CHECK(speed() == "2.667}");
}

TEST_CASE("away from a terminal there is no progress of work that has results of its own to print", "[progress]") {
  Recorded out;
  ProgressOptions options = out.options(false);
  options.lines = false;
  Progress progress(2, 0, options);
  for (int step = 1; step <= 2; ++step) {
    out.now += 60;
    progress.update(step, {}, 1);
  }
  progress.finish();
  CHECK(out.written().empty());
}

TEST_CASE("a bar can be taken away for what others print", "[progress]") {
  Recorded out;
  Progress progress(2, 0, out.options(true));
  out.now += 1;
  progress.update(1, {}, 1);
  progress.clear();
  CHECK_THAT(out.written(), Catch::EndsWith("\r\x1b[K"));
  const size_t size = out.written().size();
  progress.finish();
  CHECK(out.written().size() == size);
}

TEST_CASE("a rank of Open MPI has a terminal of its own, whose text may go to a file", "[progress]") {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(terminal >= 0);
  REQUIRE(grantpt(terminal) == 0);
  REQUIRE(unlockpt(terminal) == 0);
  FILE* out = std::fopen(ptsname(terminal), "w");
  REQUIRE(out != nullptr);
  const char* before = std::getenv("TERM");
  const std::string term = before == nullptr ? "" : before;
  setenv("TERM", "xterm", 1);
  CHECK(is_terminal(out));
  setenv("OMPI_COMM_WORLD_RANK", "0", 1);
  CHECK_FALSE(is_terminal(out));
  unsetenv("OMPI_COMM_WORLD_RANK");
  setenv("TERM", "dumb", 1);
  CHECK_FALSE(is_terminal(out));
  if (before == nullptr)
    unsetenv("TERM");
  else
    setenv("TERM", term.c_str(), 1);
  std::fclose(out);
  close(terminal);
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
