// What the commands about a dataset share: its folder on the command line, all its splits, where results may go.
#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tools/config/config.h"
#include "tools/data/dataset.h"
#include "tools/data/formats/format.h"

namespace fovea {

struct DataFolder {
  std::string path;
  std::optional<DatasetFormat> format;
  OnBad bad_boxes = OnBad::Skip;
  std::string images;
  bool merge_classes = false;

  // `whole`: for a command about one split, which takes a set that is not split as it is.
  LoadOptions load_options(bool whole = false) const {
    return {.bad_boxes = bad_boxes, .format = format, .images = images, .merge_classes = merge_classes, .whole = whole};
  }
};
// The folder as first argument, --format, --images, --merge-classes, --bad-boxes.
void add_data_folder(CLI::App& command, DataFolder& folder);

// The splits of the set under their usual names: train, val, test; others as they are called there.
struct NamedSplit {
  std::string name, there;
};
std::vector<NamedSplit> named_splits(const DatasetReader& reader);
// All of them; one that is neither train nor val and cannot be loaded is left out, with a warning.
std::vector<Dataset> load_splits(OpenDataset& data, const DataFolder& folder);

// One of them, by the name that "train" or "val" means; a set that is not split as it is.
Dataset load_split(const DataFolder& folder, const std::string& split);

// Prints what the reports of the splits say.
void print_reports(const std::vector<Dataset>& splits);

// Sides of an object's box in pixels at the size that a configuration detects at.
struct BoxSides {
  double width, height;
};
BoxSides sides_at_size(const Object& object, const Sample& sample, const InputConfig& input);

// ---- the commands of `fovea data`

void add_data_check(CLI::App& data);
void add_data_convert(CLI::App& data);
void add_data_split(CLI::App& data);
void add_data_show(CLI::App& data);
void add_data_stats(CLI::App& data);

}  // namespace fovea
