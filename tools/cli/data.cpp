// `fovea data`: everything about a data set that needs no network.
#include "tools/cli/data_folder.h"
#include "tools/cli/verbs.h"

namespace fovea {

void add_data(CLI::App& app) {
  auto* verb = app.add_subcommand("data", "Look at a data set: check, convert, split, show, stats");
  verb->require_subcommand(1);
  verb->footer(
      "Examples:\n"
      "  fovea data check DIR\n"
      "  fovea data split DIR --val 0.2 SPLIT\n"
      "  fovea data convert DIR --to yolo OUT\n"
      "  fovea data show DIR --out pictures\n"
      "  fovea data stats DIR --out pictures");
  add_data_check(*verb);
  add_data_convert(*verb);
  add_data_split(*verb);
  add_data_show(*verb);
  add_data_stats(*verb);
}

}  // namespace fovea
