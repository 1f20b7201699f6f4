// The program: verbs, and the one place where an error becomes a line on stderr and an exit code.
#include <fcntl.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>

#include "kernels/error.h"
#include "tools/usage.h"
#include "tools/verbs.h"

namespace {

int run(int argc, char** argv) {
  CLI::App app{
      "Fovea trains and runs RetinaNet object detectors.\n\nExamples:\n"
      "  fovea train --preset demo --data examples/blood_cells --out runs/cells\n"
      "  fovea eval --weights runs/cells/best.safetensors --data examples/blood_cells\n"
      "  fovea detect photo.jpg --weights runs/cells/best.safetensors --out found\n"
      "  fovea data check DIR\n"
      "  fovea info --preset paper\n",
      "fovea"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("fovea ") + FOVEA_VERSION);
  fovea::add_train(app);
  fovea::add_eval(app);
  fovea::add_detect(app);
  fovea::add_data(app);
  fovea::add_anchors(app);
  fovea::add_info(app);
  fovea::add_bench(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const std::string unknown = fovea::unknown_word(app, argc, argv);
    throw fovea::Error(fovea::ErrorKind::Usage,
                       fmt::format("{}; see --help", unknown.empty() ? error.what() : unknown.c_str()));
  }
  return 0;
}

// A program started with a closed stdin, stdout or stderr would give their numbers to the first files that it opens,
// and print into those.
void open_standard_streams() {
  for (int file = 0; file < 3; ++file)
    if (fcntl(file, F_GETFD) < 0) open("/dev/null", O_RDWR);
}

// What was printed may still wait in memory: on a full disk it would be lost without a word.
void flush_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw fovea::Error(fovea::ErrorKind::Runtime,
                       fmt::format("standard output cannot be written: {}", std::strerror(errno)));
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  std::signal(SIGPIPE, SIG_DFL);  // a closed stdout ends the program quietly
  try {
    const int code = run(argc, argv);
    flush_output();
    return code;
  } catch (const fovea::Error& error) {
    std::fflush(stdout);
    if (*error.what() != '\0') fmt::print(stderr, "fovea: {}\n", error.what());  // else another rank says it
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "fovea: out of memory\n");
    return static_cast<int>(fovea::ErrorKind::OutOfMemory);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fovea: {}\n", error.what());
    return static_cast<int>(fovea::ErrorKind::Runtime);
  }
}
