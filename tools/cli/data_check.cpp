// `fovea data check`: everything that is wrong with a dataset, in one report.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/analysis/check_report.h"
#include "tools/analysis/image_scan.h"
#include "tools/cli/commands.h"
#include "tools/cli/data_folder.h"
#include "tools/data/formats/category_names.h"
#include "tools/data/formats/folder.h"
#include "tools/report/progress.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct CheckOptions {
  DataFolder data;
  ConfigOptions config;
  OnBad bad_images = OnBad::Skip;
  std::string json, out;
  bool headers_only = false;
};

class Checker {
 public:
  explicit Checker(const CheckOptions& options) : options_(options), config_(resolve(options.config, preset("paper"))) {
    report_.folder = printable(options.data.path);
  }

  CheckReport check() {
    OpenDataset data = open_dataset(options_.data.path, options_.data.load_options());
    report_.format = entry_of(data.format).name;
    report_.split_command = fmt::format("fovea data split {} --val 0.2 {}OUT", report_.folder,
                                        entry_of(data.format).writable ? "" : "--to coco ");
    for (const NamedSplit& split : named_splits(*data.reader)) check_split(*data.reader, split);
    auto& warnings = report_.splits[0].warnings;
    warnings.insert(warnings.begin(), data.warnings.begin(), data.warnings.end());
    compare_content();
    compare_classes();
    find_refusals();
    return std::move(report_);
  }

 private:
  void check_split(DatasetReader& reader, const NamedSplit& named) {
    SplitCheck& split = report_.splits.emplace_back();
    split.name = named.name;
    Dataset data;
    try {
      const StatusLine shown(fmt::format("reading {}", printable(named.name)));
      data = make_dataset(reader.read(named.there), named.name, options_.data.load_options());
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Data) throw;
      split.refused = error.what();
      return;
    }
    take_report(data, split);
    look_at_boxes(data, split);
    Progress progress(static_cast<int64_t>(data.samples.size()), 0, on_stderr("image"));
    const auto findings =
        scan_images(data, !options_.headers_only, [&](int64_t done) { progress.update(done, {}, 1); });
    progress.clear();
    for (size_t i = 0; i < findings.size(); ++i) {
      const std::string path = (data.image_root / data.samples[i].file_name).string();
      take_finding(findings[i], path, split);
      if (!findings[i].content.empty())
        content_[findings[i].content].push_back(fmt::format("{} ({})", printable(path), named.name));
    }
  }

  static void take_report(const Dataset& data, SplitCheck& split) {
    const LoadReport& report = data.report;
    split.images = images_in(data);
    split.boxes = report.objects - report.crowds;
    split.crowds = report.crowds;
    split.images_without_objects = report.images_without_objects;
    split.clipped_boxes = report.clipped_boxes;
    split.bad_boxes = report.bad_boxes;
    split.unknown = report.unknown_examples;
    split.unknown_references = report.unknown_references;
    split.warnings = report.warnings;
    for (const BadImage& image : report.bad_images) {
      const fs::path path = data.image_root / image.file_name;
      (is_there(path) ? split.unreadable : split.missing).push_back({path.string(), image.why});
    }
    for (const Category& category : data.categories) split.classes[category.id].name = category.name;
  }

  void look_at_boxes(const Dataset& data, SplitCheck& split) const {
    for (const Sample& sample : data.samples) {
      std::set<std::tuple<int, double, double, double, double>> seen;
      std::set<int> labels;
      for (const Object& object : sample.objects) {
        const auto& box = object.bbox;
        const auto text = [&] {
          return fmt::format("{}: annotation {} [{}]", printable(sample.file_name), object.id, fmt::join(box, ", "));
        };
        if (!seen.emplace(object.label, box[0], box[1], box[2], box[3]).second) split.duplicate_boxes.push_back(text());
        if (object.crowd) continue;
        const BoxSides sides = sides_at_size(object, sample, config_.input);
        if (sides.width < 1 || sides.height < 1) split.tiny_boxes.push_back(text());
        ClassCount& count = split.classes[data.categories[static_cast<size_t>(object.label)].id];
        ++count.boxes;
        count.images += labels.insert(object.label).second ? 1 : 0;
      }
    }
  }

  static void take_finding(const ImageFinding& finding, const std::string& path, SplitCheck& split) {
    using ImageProblem = ImageFinding::ImageProblem;
    if (finding.problem == ImageProblem::Missing) split.missing.push_back({path, finding.why});
    if (finding.problem == ImageProblem::Unreadable) split.unreadable.push_back({path, finding.why});
    if (finding.problem == ImageProblem::OtherSize) split.other_size.push_back({path, finding.why});
    split.as_stored += finding.as_stored ? 1 : 0;
    if (!finding.misnamed.empty()) split.misnamed.push_back({path, fmt::format("{}: is a {}", path, finding.misnamed)});
  }

  void compare_content() {
    for (const auto& [hash, places] : content_)
      if (places.size() > 1) report_.same_content.push_back(fmt::format("{}", fmt::join(places, " = ")));
    std::sort(report_.same_content.begin(), report_.same_content.end());
  }

  void compare_classes() {
    std::map<int64_t, std::vector<std::pair<const SplitCheck*, const ClassCount*>>> by_id;
    size_t loaded = 0;
    for (const SplitCheck& split : report_.splits) {
      loaded += split.refused.empty() ? 1 : 0;
      for (const auto& [id, count] : split.classes) by_id[id].emplace_back(&split, &count);
    }
    for (const auto& [id, seen] : by_id) {
      const auto with_boxes = std::count_if(seen.begin(), seen.end(), [](auto& s) { return s.second->boxes > 0; });
      const auto first = std::find_if(seen.begin(), seen.end(), [](auto& s) { return s.second->boxes > 0; });
      if (with_boxes == 1 && loaded > 1)
        report_.split_classes.push_back(
            fmt::format("{} ({}) has boxes in {} only", id, printable(first->second->name), first->first->name));
      if (with_boxes == 0)
        report_.split_classes.push_back(fmt::format("{} ({}) has no boxes", id, printable(seen[0].second->name)));
      for (const auto& [split, count] : seen)
        if (count->name != seen[0].second->name)
          report_.split_classes.push_back(fmt::format("{} is '{}' in {} but '{}' in {}", id,
                                                      printable(seen[0].second->name), seen[0].first->name,
                                                      printable(count->name), split->name));
    }
  }

  // Training reads the splits train and val, and bears with one bad image in a hundred of both together. What is not
  // split yet is checked as a whole.
  void find_refusals() {
    int64_t images = 0, bad = 0;
    std::vector<std::vector<Category>> categories;
    const auto read =
        report_.is_split() ? std::vector<std::string>{"train", "val"} : std::vector<std::string>{kWholeSet};
    for (const std::string& name : read) {
      const auto split =
          std::find_if(report_.splits.begin(), report_.splits.end(), [&](auto& s) { return s.name == name; });
      if (split == report_.splits.end()) {
        report_.refused.push_back(
            fmt::format("{}: has no split '{}'; create one with `{}`", report_.folder, name, report_.split_command));
        continue;
      }
      if (!split->refused.empty()) report_.refused.push_back(split->refused);
      images += split->images;
      bad += split->bad_images();
      auto& of_split = categories.emplace_back();
      for (const auto& [id, known] : split->classes) of_split.push_back({id, known.name});
    }
    if (categories.size() == 2) {
      const auto conflict = category_conflict("train", categories[0], "val", categories[1]);
      if (!conflict.empty()) report_.refused.push_back(conflict);
      const auto alike = names_alike("train", categories[0], "val", categories[1]);
      if (!alike.empty()) report_.split_classes.push_back(alike);
    }
    const bool too_many = static_cast<double>(bad) > largest_bad_share * static_cast<double>(images);
    if (too_many || (bad > 0 && options_.bad_images == OnBad::Error))
      report_.refused.push_back(
          fmt::format("{} of {} images{} cannot be used{}", bad, images, report_.is_split() ? " of train and val" : "",
                      too_many ? fmt::format(", more than {:g} %", 100 * largest_bad_share) : ""));
  }

  const CheckOptions& options_;
  Config config_;
  CheckReport report_;
  std::map<std::string, std::vector<std::string>> content_;
};

// The lists that training writes, of all splits. Only where there is something to list.
void write_lists(const CheckReport& report, const CheckOptions& options) {
  std::string images, boxes;
  for (const SplitCheck& split : report.splits) {
    for (const auto* list : {&split.missing, &split.unreadable, &split.other_size})
      for (const BadImage& image : *list) images += printable(image.file_name) + "\t" + image.why + "\n";
    for (const std::string& box : split.bad_boxes) boxes += fmt::format("{}: {}\n", split.name, box);
  }
  if (images.empty() && boxes.empty()) return;
  const fs::path out = options.out.empty() ? fs::path(".") : fs::path(options.out);
  if (options.out.empty() && is_inside(out, options.data.path)) {
    fmt::print(
        "\nbad_images.txt and bad_boxes.txt are not written into the dataset: choose another folder with --out\n");
    return;
  }
  require_outside(out, options.data.path);
  make_folder(out);
  if (!images.empty()) write_list(out / "bad_images.txt", images);
  if (!boxes.empty()) write_list(out / "bad_boxes.txt", boxes);
  fmt::print("\nlisted in {}{}{} in {}\n", images.empty() ? "" : "bad_images.txt",
             images.empty() || boxes.empty() ? "" : " and ", boxes.empty() ? "" : "bad_boxes.txt",
             printable(out.native()));
}

void check(const CheckOptions& options) {
  const fs::path lists = options.out.empty() ? fs::path(".") : fs::path(options.out);
  FilesInUse files;
  for (const char* name : {"bad_images.txt", "bad_boxes.txt"}) {
    files.output(lists / name);
    require_replaceable(lists / name);
  }
  if (!options.out.empty()) require_outside(options.out, options.data.path);
  if (!options.json.empty()) {
    require_outside(options.json, options.data.path);
    files.output(options.json);
    require_writable(options.json);
    require_replaceable(options.json);
  }
  const CheckReport report = Checker(options).check();
  fmt::print("{}", text_of(report));
  if (!options.json.empty()) write_output(options.json, json_of(report));
  write_lists(report, options);
  if (!report.refused.empty())
    throw Error(ErrorKind::Data,
                fmt::format("training would reject this dataset:\n  {}", fmt::join(report.refused, "\n  ")));
  if (!report.is_split())
    fmt::print("\nthe dataset is not split yet; training needs train and val: {}\n", report.split_command);
  fmt::print("\n{} this dataset{}\n", report.is_split() ? "training accepts" : "once it is split, training accepts",
             options.headers_only ? ", as far as file headers show" : "");
}

}  // namespace

void add_data_check(CLI::App& data) {
  auto* command = data.add_subcommand(
      "check", "Decode all images and report problems; exit with 3 if training would reject the dataset");
  const auto options = std::make_shared<CheckOptions>();
  add_data_folder(*command, options->data);
  add_config_options(*command, options->config);
  add_on_bad(*command, "--bad-images", options->bad_images,
             "Unreadable images: skip them, or fail on the first, as training would");
  command->add_option("--json", options->json, "Write the report to this file")->type_name("FILE");
  command
      ->add_option("--out", options->out,
                   "Output folder for bad_images.txt and bad_boxes.txt (default: the current folder)")
      ->type_name("DIR");
  command->add_flag("--headers-only", options->headers_only,
                    "Read only the headers of image files: faster, but misses damaged image data");
  command->footer("Example:\n  fovea data check DIR --preset demo --json check.json");
  command->callback([options] { check(*options); });
}

}  // namespace fovea
