// The program: the one place where an error becomes a line on stderr and an exit code.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <new>
#include <string_view>
#include <system_error>

#include "kernels/device/cpu_level.h"
#include "kernels/device/threads.h"
#include "kernels/error.h"
#include "tools/cli/commands.h"
#include "tools/text/outputs.h"
#include "tools/text/stop.h"

namespace {

// A program started with a closed stdin, stdout or stderr would give their numbers to the first files that it opens,
// and print into those.
void open_standard_streams() {
  for (int file = 0; file < 3; ++file)
    if (fcntl(file, F_GETFD) < 0) open("/dev/null", O_RDWR);
}

// Only for these it matters how threads wait: the others need not start twice for it.
bool runs_networks(int argc, char** argv) {
  constexpr std::string_view commands[] = {"train", "eval", "detect", "bench", "demo", "study"};
  return argc > 1 && std::find(std::begin(commands), std::end(commands), argv[1]) != std::end(commands);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  fovea::catch_stop_signals();
  std::signal(SIGXFSZ, SIG_IGN);  // a file at the limit of its size is an error of writing, which is said
  try {
    fovea::require_stack();
    fovea::use_asked_cpu_level(argv);
    fovea::require_thread_count();
    if (runs_networks(argc, argv)) fovea::set_spin_time(argv);
    fovea::require_openmp_threads();
    const int code = fovea::run_command_line(argc, argv);
    fovea::flush_output();
    return code;
  } catch (const fovea::Error& error) {
    std::fflush(stdout);
    if (*error.what() != '\0') fmt::print(stderr, "fovea: {}\n", error.what());  // else another rank says it
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "fovea: out of memory\n");
    return static_cast<int>(fovea::ErrorKind::OutOfMemory);
  } catch (const std::system_error& error) {  // {fmt} throws it where printing fails
    const bool closed = error.code() == std::errc::broken_pipe;
    if (!closed) fmt::print(stderr, "fovea: {}\n", error.what());
    return static_cast<int>(closed ? fovea::ErrorKind::Interrupted : fovea::ErrorKind::Runtime);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fovea: {}\n", error.what());
    return static_cast<int>(fovea::ErrorKind::Runtime);
  }
}
