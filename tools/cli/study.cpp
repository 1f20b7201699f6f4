// `fovea study`: figures of the paper.
#include <CLI/CLI.hpp>

#include "tools/cli/commands.h"

namespace fovea {

void add_study(CLI::App& app) {
  auto* command = app.add_subcommand("study", "Draw figures of the paper, of your own data and weights");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  fovea study distribution --weights RUN/best.safetensors --data DIR --out STUDY\n"
      "  fovea study curves --out STUDY");
  add_study_distribution(*command);
}

}  // namespace fovea
