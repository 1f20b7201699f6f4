// `fovea data`: everything about a dataset that needs no network.
#include "tools/cli/commands.h"
#include "tools/cli/data_folder.h"

namespace fovea {

void add_data(CLI::App& app) {
  auto* command = app.add_subcommand("data", "Check, convert, split, show or summarize a dataset");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  fovea data check DIR\n"
      "  fovea data split DIR --val 0.2 SPLIT\n"
      "  fovea data convert DIR --to yolo OUT\n"
      "  fovea data show DIR --out pictures\n"
      "  fovea data stats DIR --out pictures");
  add_data_check(*command);
  add_data_convert(*command);
  add_data_split(*command);
  add_data_show(*command);
  add_data_stats(*command);
}

}  // namespace fovea
