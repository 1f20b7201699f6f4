#include "tools/train/run_chart.h"

#include "tools/report/chart.h"

namespace fovea {

void write_run_chart(const RunFolder& folder) {
  Series total{.name = "loss", .noisy = true}, classification{.name = "classification", .noisy = true},
      box{.name = "box", .noisy = true};
  Series ap{.name = "AP"}, ap50{.name = "AP50"};
  for (const std::string& line : folder.log_lines()) {
    const auto step = number_in(line, "step");
    if (!step) continue;
    const auto add = [&](Series& series, const char* key) {
      if (const auto value = number_in(line, key)) series.points.push_back({*step, *value});
    };
    add(total, "loss");
    add(classification, "classification");
    add(box, "box");
    add(ap, "ap");
    add(ap50, "ap50");
  }
  const Chart chart{.title = folder.path().filename().string(),
                    .x_label = "step",
                    .panels = {{"training loss", {total, classification, box}}, {"validation AP", {ap, ap50}}}};
  write_chart(folder.file("chart"), chart);
}

}  // namespace fovea
