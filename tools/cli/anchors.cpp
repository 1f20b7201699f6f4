// `fovea anchors`: which boxes the anchors cover, and anchors that cover more.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "engine/files.h"
#include "engine/printable.h"
#include "model/anchors.h"
#include "tools/analysis/anchor_fit.h"
#include "tools/analysis/plot.h"
#include "tools/cli/commands.h"
#include "tools/cli/data_folder.h"
#include "tools/data/formats/folder.h"
#include "tools/report/canvas.h"
#include "tools/report/progress.h"
#include "tools/report/table.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct AnchorsOptions {
  DataFolder data;
  ConfigOptions config;
  std::string split = "train", out = "anchors";
};

// Anchors, and what they cover.
struct Covered {
  AnchorConfig anchors;
  std::vector<AnchorMatch> matches;
  Coverage coverage;
};

Covered cover(const ScaledBoxes& boxes, const AnchorConfig& anchors) {
  Covered covered{.anchors = anchors, .matches = best_anchors(boxes, anchors), .coverage = {}};
  covered.coverage = coverage(covered.matches);
  return covered;
}

std::string recall_text(const Coverage& c) {
  return fmt::format("recall {:.4f} at IoU 0.4, {:.4f} at 0.5, mean best IoU {:.4f}", c.recall_40, c.recall_50,
                     c.mean_iou);
}

std::string level_table(const Covered& covered) {
  Table table({"level", "size", "boxes", "IoU >= 0.4", "IoU >= 0.5"});
  for (size_t level = 0; level < kLevels; ++level) {
    std::array<int64_t, 3> counts{};
    for (const AnchorMatch& match : covered.matches) {
      if (match.level != level || match.iou <= 0) continue;
      ++counts[0];
      counts[1] += match.iou >= 0.4 ? 1 : 0;
      counts[2] += match.iou >= 0.5 ? 1 : 0;
    }
    table.add({fmt::format("P{}", level + 3), fmt::format("{:g}", covered.anchors.sizes[level]),
               std::to_string(counts[0]), std::to_string(counts[1]), std::to_string(counts[2])});
  }
  return table.text();
}

// Boxes by the shape of their best anchor, at IoU 0.5.
std::vector<std::vector<int64_t>> by_anchor(const Covered& covered) {
  std::vector<std::vector<int64_t>> counts(kLevels,
                                           std::vector<int64_t>(static_cast<size_t>(covered.anchors.per_location())));
  for (const AnchorMatch& match : covered.matches)
    if (match.iou >= 0.5) ++counts[match.level][match.cell];
  return counts;
}

std::string anchor_table(const Covered& covered) {
  std::vector<std::string> header{"IoU >= 0.5"};
  for (size_t level = 0; level < kLevels; ++level) header.push_back(fmt::format("P{}", level + 3));
  Table table(header);
  const auto counts = by_anchor(covered);
  const size_t octaves = covered.anchors.octaves.size();
  for (size_t cell = 0; cell < counts[0].size(); ++cell) {
    std::vector<std::string> row{fmt::format("height/width {:g}, octave {:.3g}", covered.anchors.ratios[cell / octaves],
                                             covered.anchors.octaves[cell % octaves])};
    for (size_t level = 0; level < kLevels; ++level) row.push_back(std::to_string(counts[level][cell]));
    table.add(row);
  }
  return table.text();
}

std::string json_of(const Covered& covered, const Dataset& dataset, const ScaledBoxes& boxes) {
  std::string anchors, missed;
  const auto counts = by_anchor(covered);
  for (size_t level = 0; level < kLevels; ++level)
    anchors += fmt::format("{}[{}]", level ? ", " : "", fmt::join(counts[level], ", "));
  for (size_t i = 0; i < boxes.boxes.size(); ++i) {
    if (covered.matches[i].iou >= 0.4) continue;
    const Sample& sample = dataset.samples[boxes.boxes[i].sample];
    const Object& object = sample.objects[boxes.boxes[i].object];
    missed +=
        fmt::format("{}\n    {{\"image_id\": {}, \"file_name\": {}, \"id\": {}, \"bbox\": [{}], \"iou\": {:.4f}}}",
                    missed.empty() ? "" : ",", sample.id, json_quoted(printable(sample.file_name)), object.id,
                    fmt::join(object.bbox, ", "), covered.matches[i].iou);
  }
  const Coverage& c = covered.coverage;
  return fmt::format(
      "{{\"sizes\": [{}], \"octaves\": [{}], \"ratios\": [{}],\n   \"recall_0.4\": {}, \"recall_0.5\": {}, "
      "\"mean_iou\": "
      "{},\n   \"boxes_by_level_and_anchor\": [{}],\n   \"missed\": [{}]}}",
      fmt::join(covered.anchors.sizes, ", "), fmt::join(covered.anchors.octaves, ", "),
      fmt::join(covered.anchors.ratios, ", "), c.recall_40, c.recall_50, c.mean_iou, anchors, missed);
}

constexpr Color missed_color{220, 30, 30}, weak_color{255, 160, 40}, found_color{70, 130, 190};

void draw(Image& image, int x, int size, const std::string& title, const Covered& covered, const ScaledBoxes& boxes,
          const PlotAxis& axis) {
  PlotPanel panel(image, x, 0, size, size,
                  fmt::format("{}: recall {:.3f} at IoU 0.4, {:.3f} at 0.5", title, covered.coverage.recall_40,
                              covered.coverage.recall_50));
  panel.legend(
      {{"IoU from 0.5", found_color}, {"0.4 to 0.5", weak_color}, {"missed", missed_color}, {"anchor", black}});
  panel.axes(axis, axis, "box width in pixels of the resized image (vertical: height)");
  for (const double at_least : {0.5, 0.4, 0.0}) {  // what is missed lies on top
    for (size_t i = 0; i < boxes.boxes.size(); ++i) {
      const double iou = covered.matches[i].iou;
      if (iou < at_least || (at_least == 0.4 && iou >= 0.5) || (at_least == 0.0 && iou >= 0.4)) continue;
      const ScaledBox& box = boxes.boxes[i];
      const Color color = at_least == 0.5 ? found_color : at_least == 0.4 ? weak_color : missed_color;
      panel.dot(axis, axis, {box.x2 - box.x1, box.y2 - box.y1}, at_least == 0.5 ? 4 : 6, color,
                at_least == 0.5 ? 0.35 : 0.8);
    }
  }
  for (size_t level = 0; level < kLevels; ++level) {
    const auto cells = anchor_cells(covered.anchors, level);
    for (size_t c = 0; c + 3 < cells.size(); c += 4) {
      const Point sides{double{cells[c + 2]} - cells[c], double{cells[c + 3]} - cells[c + 1]};
      if (std::max(sides.x, sides.y) <= axis.high && std::min(sides.x, sides.y) >= axis.low)
        panel.cross(axis, axis, sides, 13, black);
    }
  }
}

Image picture(const Covered& before, const Covered& after, const ScaledBoxes& boxes) {
  constexpr int size = 760;
  double low = 1e9, high = 1;
  for (const ScaledBox& box : boxes.boxes) {
    low = std::min({low, box.x2 - box.x1, box.y2 - box.y1});
    high = std::max({high, box.x2 - box.x1, box.y2 - box.y1});
  }
  for (const Covered* covered : {&before, &after}) {  // what there is to see lies near the boxes
    low = std::min(low, covered->anchors.sizes.front() / 2);
    high = std::max(high, std::min(covered->anchors.sizes.back(), 2 * high));
  }
  const PlotAxis axis = log_axis(std::max(low, 1.0), high);
  Image image = blank_image(2 * size, size, white);
  draw(image, 0, size, "before", before, boxes, axis);
  draw(image, size, size, "after", after, boxes, axis);
  return image;
}

std::string toml_of(const Covered& before, const Covered& after, const InputConfig& input) {
  const auto list = [](const auto& values) {
    std::vector<std::string> texts;
    for (const double value : values) {
      const std::string text = fmt::format("{}", value);
      texts.push_back(text.find_first_of(".e") == std::string::npos ? text + ".0" : text);
    }
    return fmt::format("[{}]", fmt::join(texts, ", "));
  };
  return with_checksum(fmt::format(
      "# Anchors for images resized to {} (long side at most {}).\n# before: {}\n# after:  "
      "{}\n"
      "# fovea train anchors.toml --preset … --data …\n[model.anchors]\nsizes = {}\noctaves = {}\nratios = {}\n",
      input.short_side.back(), input.long_side, recall_text(before.coverage), recall_text(after.coverage),
      list(after.anchors.sizes), list(after.anchors.octaves), list(after.anchors.ratios)));
}

AnchorConfig fitted(const ScaledBoxes& boxes, const AnchorConfig& start) {
  std::optional<Progress> shown;
  const auto show = [&](int64_t done, int64_t total) {
    if (!shown) shown.emplace(total, 0, on_stderr("fitting anchors: step"));
    shown->update(done, {}, 0);
  };
  AnchorConfig anchors = fit_anchors(boxes, start, show);
  if (shown) shown->clear();
  return anchors;
}

void run(const AnchorsOptions& options) {
  require_outside(options.out, options.data.path);
  FilesInUse files;
  files.input(options.config.file);
  for (const char* name : {"anchors.toml", "anchors.json", "anchors.png"}) {
    files.output(fs::path(options.out) / name);
    require_replaceable(fs::path(options.out) / name, {kMark, kUnedited});
  }
  check_font();
  const Config config = resolve(options.config, preset("paper"));
  const Dataset dataset = load_split(options.data, options.split);
  print_reports({dataset});
  make_writable_folder(options.out);
  const ScaledBoxes boxes = boxes_at_size(dataset, config.input);
  const Covered before = cover(boxes, config.model.anchors);
  fmt::print("\nimages resized to {} (long side at most {}); each box is counted at its best anchor\n\n{}\n{}\n{}\n",
             config.input.short_side.back(), config.input.long_side, level_table(before), anchor_table(before),
             recall_text(before.coverage));
  const auto missed = std::count_if(before.matches.begin(), before.matches.end(), [](auto& m) { return m.iou < 0.4; });
  fmt::print("{} of {} boxes are missed: no anchor reaches IoU 0.4 with them\n", missed, boxes.boxes.size());

  const Covered after = cover(boxes, fitted(boxes, config.model.anchors));
  const bool better = after.anchors.sizes != before.anchors.sizes || after.anchors.ratios != before.anchors.ratios;
  fmt::print("\n{}: sizes {}, octaves {:.3g}, ratios {}\n{}\n",
             better ? "fitted anchors" : "no better anchors found; keeping these", fmt::join(after.anchors.sizes, " "),
             fmt::join(after.anchors.octaves, " "), fmt::join(after.anchors.ratios, " "), recall_text(after.coverage));

  const fs::path out = options.out;
  const Image drawn = picture(before, after, boxes);
  const Unbroken all_of_them;
  write_file(out / "anchors.toml", toml_of(before, after, config.input));
  write_file(out / "anchors.json",
             fmt::format("{{\"about\": \"{}\", \"split\": {},\n \"before\": {},\n \"after\": {}}}\n", kMark,
                         json_quoted(dataset.split), json_of(before, dataset, boxes), json_of(after, dataset, boxes)));
  write_png(out / "anchors.png", drawn, kMark);
  fmt::print("written: anchors.toml (for `fovea train anchors.toml …`), anchors.json, anchors.png in {}\n",
             printable(out.native()));
}

}  // namespace

void add_anchors(CLI::App& app) {
  auto* command = app.add_subcommand(
      "anchors", "Measure how well the anchors cover the boxes of a dataset, and suggest better anchors");
  const auto options = std::make_shared<AnchorsOptions>();
  add_data_folder(*command, options->data);
  add_config_options(*command, options->config);
  command->add_option("--config", options->config.file, "Configuration file (TOML)")->check(CLI::ExistingFile);
  add_split(*command, options->split, "Split whose boxes are measured");
  command->add_option("--out", options->out, "Output folder for anchors.toml, anchors.json and anchors.png")
      ->capture_default_str()
      ->type_name("DIR");
  command->footer(
      "Example:\n  fovea anchors DIR --preset demo --out anchors\n  fovea train anchors/anchors.toml --preset demo "
      "--data DIR --out RUN");
  command->callback([options] { run(*options); });
}

}  // namespace fovea
