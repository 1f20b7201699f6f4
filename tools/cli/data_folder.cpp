#include "tools/cli/data_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/cli/commands.h"
#include "tools/data/formats/category_names.h"
#include "tools/data/loading/labeled_image.h"
#include "tools/report/progress.h"

namespace fovea {

namespace fs = std::filesystem;

void add_data_folder(CLI::App& command, DataFolder& folder) {
  command.add_option("data", folder.path, "Folder of the dataset, or its one file (COCO's JSON, YOLO's YAML)")
      ->required()
      ->type_name("DIR");
  add_format(command, folder.format);
  add_images(command, folder.images);
  add_merge_classes(command, folder.merge_classes);
  add_on_bad(command, "--bad-boxes", folder.bad_boxes, "Invalid boxes: skip and list them, or fail on the first");
}

std::vector<NamedSplit> named_splits(const DatasetReader& reader) {
  const auto there = reader.splits();
  std::vector<NamedSplit> splits;
  for (const char* usual : {"train", "val", "test"})
    if (const auto found = find_split(there, usual)) splits.push_back({usual, *found});
  for (const std::string& split : there)
    if (std::none_of(splits.begin(), splits.end(), [&](auto& named) { return named.there == split; }))
      splits.push_back({split, split});
  return splits;
}

std::vector<Dataset> load_splits(OpenDataset& data, const DataFolder& folder) {
  std::vector<Dataset> splits;
  const auto names = named_splits(*data.reader);
  for (const NamedSplit& split : names) {
    const StatusLine shown(fmt::format("reading {}", printable(split.name)));
    try {
      splits.push_back(make_dataset(data.reader->read(split.there), split.name, folder.load_options()));
    } catch (const Error& error) {  // test sets often come without labels, or not at all
      const bool needed = split.name == "train" || split.name == "val" || names.size() == 1;
      if (needed || error.kind() != ErrorKind::Data) throw;
      data.warnings.push_back(fmt::format("skipping the split {}: {}", printable(split.name), error.what()));
    }
  }
  if (splits.empty())
    throw Error(ErrorKind::Data,
                fmt::format("{}: has no usable split\n  {}", printable(folder.path), fmt::join(data.warnings, "\n  ")));
  auto& warnings = splits[0].report.warnings;
  warnings.insert(warnings.begin(), data.warnings.begin(), data.warnings.end());
  for (size_t i = 1; i < splits.size(); ++i)
    if (const auto alike = names_alike(splits[0].split, splits[0].categories, splits[i].split, splits[i].categories);
        !alike.empty())
      splits[i].report.warnings.push_back(alike);
  return splits;
}

Dataset load_split(const DataFolder& folder, const std::string& split) {
  const StatusLine shown(fmt::format("reading {}", printable(split)));
  return load_dataset(folder.path, split, folder.load_options(/*whole=*/true));
}

void print_reports(const std::vector<Dataset>& splits) {
  for (const Dataset& split : splits) {
    fmt::print("{}: {} images, {} boxes, {} classes\n", split.split, split.samples.size(), split.report.objects,
               split.categories.size());
    fmt::print("{}", split.report.text());
  }
}

BoxSides sides_at_size(const Object& object, const Sample& sample, const InputConfig& input) {
  const Size2d size = resized({sample.height, sample.width}, input.short_side.back(), input.long_side);
  return {double{object.x2 - object.x1} * size.width / sample.width,
          double{object.y2 - object.y1} * size.height / sample.height};
}

}  // namespace fovea
