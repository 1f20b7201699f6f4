// The program: verbs, and the one place where an error becomes a line on stderr and an exit code.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <new>

#include "kernels/error.h"
#include "tools/verbs.h"

namespace {

int run(int argc, char** argv) {
  CLI::App app{
      "Fovea trains and runs RetinaNet object detectors.\n\nExamples:\n"
      "  fovea train --preset demo --data examples/blood_cells --out runs/cells\n"
      "  fovea eval --weights runs/cells/best.safetensors --data examples/blood_cells\n"
      "  fovea detect photo.jpg --weights runs/cells/best.safetensors --out found\n"
      "  fovea info --preset paper\n",
      "fovea"};
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  app.set_version_flag("--version", std::string("fovea ") + FOVEA_VERSION);
  fovea::add_train(app);
  fovea::add_eval(app);
  fovea::add_detect(app);
  fovea::add_info(app);
  fovea::add_bench(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(fovea::ErrorKind::Usage);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // a closed stdout ends the program quietly
  try {
    return run(argc, argv);
  } catch (const fovea::Error& error) {
    std::fflush(stdout);
    fmt::print(stderr, "fovea: {}\n", error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "fovea: out of memory\n");
    return static_cast<int>(fovea::ErrorKind::OutOfMemory);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fovea: {}\n", error.what());
    return static_cast<int>(fovea::ErrorKind::Runtime);
  }
}
