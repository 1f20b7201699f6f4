#include "tools/data/formats/format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/coco.h"
#include "tools/data/formats/contents.h"
#include "tools/data/formats/csv.h"
#include "tools/data/formats/foreign_sets.h"
#include "tools/data/formats/kitti.h"
#include "tools/data/formats/labelme.h"
#include "tools/data/formats/left_out.h"
#include "tools/data/formats/open_images.h"
#include "tools/data/formats/via.h"
#include "tools/data/formats/voc.h"
#include "tools/data/formats/yolo.h"
#include "tools/image/image_file.h"
#include "tools/text/advice.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

const std::vector<FormatEntry>& formats() {
  static const std::vector<FormatEntry> all{
      {DatasetFormat::Coco, "coco",
       "annotations/instances_{train,val}.json (or {train,val}/_annotations.coco.json, {train,val}.json, or one JSON "
       "for all), images in {train,val}/, images/ or data/",
       open_coco, true},
      {DatasetFormat::Yolo, "yolo",
       "data.yaml with train, val and names; obj.data; or classes.txt alone; images/… and labels/… side by side, or "
       "labels beside the images",
       open_yolo, true},
      {DatasetFormat::Voc, "voc",
       "Annotations/*.xml, JPEGImages/, ImageSets/Main/{train,val}.txt; or {train,val}/ with *.xml next to the images",
       open_voc, true},
      {DatasetFormat::OpenImages, "openimages",
       "{train,validation}-annotations-bbox.csv, class-descriptions-boxable.csv, images in {train,validation}/",
       open_open_images},
      {DatasetFormat::Kitti, "kitti",
       "training/image_2 and training/label_2, or images/ and labels/ with lines of 15 words", open_kitti},
      {DatasetFormat::LabelMe, "labelme", "*.json with shapes, an image each, beside the images or in annotations/",
       open_labelme},
      {DatasetFormat::Via, "via", "via_region_data.json, via_export_csv.csv or a project beside the images", open_via},
      {DatasetFormat::Csv, "csv",
       "{train,val}.csv with lines path,x1,y1,x2,y2,class or a header that names the columns, and classes.csv with "
       "lines name,id; or {train,val}/_annotations.csv",
       open_csv, true}};
  return all;
}

const FormatEntry& entry_of(DatasetFormat format) {
  return *std::find_if(formats().begin(), formats().end(),
                       [&](const FormatEntry& entry) { return entry.format == format; });
}

namespace {

Error nothing_found(const std::filesystem::path& folder, std::optional<DatasetFormat> format) {
  std::string text = fmt::format("{}: ", printable(folder.native()));
  if (!is_there(folder)) return {ErrorKind::Data, text + "does not exist"};
  if (format) {
    text += fmt::format("is not a dataset in {} format; looked for {}", entry_of(*format).name,
                        entry_of(*format).looked_for);
    return {ErrorKind::Data, fmt::format("{}\n{}", text, contents_of(folder))};
  }
  for (const std::string& there : {foreign_set(folder), yolo_labels_without_names(folder), csv_without_boxes(folder)})
    if (!there.empty()) return {ErrorKind::Data, fmt::format("{}no dataset found; {}", text, there)};
  text += fmt::format("no dataset found; {}\nlooked for", contents_of(folder));
  for (const FormatEntry& entry : formats()) text += fmt::format("\n  {}: {}", entry.name, entry.looked_for);
  return {ErrorKind::Data, text};
}

bool looks_like(const FormatEntry& entry, const std::filesystem::path& folder, const LoadOptions& options) {
  try {
    return entry.open(folder, options) != nullptr;
  } catch (const Error&) {
    return true;  // a broken one
  }
}

}  // namespace

RawDataset DatasetReader::read(const std::string& split) {
  RawDataset raw = read_split(split);
  for (const std::string& line : passed_.news()) raw.warnings.push_back(fmt::format("{}: {}", raw.name, line));
  return raw;
}

namespace {

bool holds_images(const std::filesystem::path& folder, bool deep) {
  const auto files = deep ? files_below(folder) : files_in(folder);
  return std::any_of(files.begin(), files.end(), [](const std::string& name) { return has_image_ending(name); });
}

// The only folder in `folder` that holds a dataset, as unpacking leaves it: no images lie outside. None else.
std::optional<std::filesystem::path> only_inside(const std::filesystem::path& folder, const LoadOptions& options) {
  std::optional<std::filesystem::path> found;
  if (!is_folder(folder) || holds_images(folder, false)) return found;
  for (const std::string& name : folders_in(folder)) {
    const bool holds = std::any_of(formats().begin(), formats().end(), [&](const FormatEntry& entry) {
      return (!options.format || entry.format == *options.format) && looks_like(entry, folder / name, options);
    });
    if (!holds && !holds_images(folder / name, true)) continue;
    if (!holds || found) return std::nullopt;
    found = folder / name;
  }
  return found;
}

}  // namespace

OpenDataset open_dataset(const std::filesystem::path& folder, const LoadOptions& options) {
  OpenDataset data{};
  std::string others;
  for (const FormatEntry& entry : formats()) {
    if (options.format && entry.format != *options.format) continue;
    if (data.reader) {
      others += looks_like(entry, folder, options) ? fmt::format(" {}", entry.name) : "";
    } else if (auto reader = entry.open(folder, options)) {
      data.format = entry.format;
      data.reader = std::move(reader);
    }
  }
  if (!data.reader) {
    const auto inside = only_inside(folder, options);
    if (!inside) throw nothing_found(folder, options.format);
    data = open_dataset(*inside, options);
    data.warnings.push_back(fmt::format("{}: is no dataset, but holds one, which is read: {}",
                                        printable(folder.native()), printable(inside->native())));
    return data;
  }
  if (!others.empty())
    data.warnings.push_back(fmt::format("{}: is read as {} but also looks like{}; {} if that is wrong",
                                        printable(folder.native()), entry_of(data.format).name, others,
                                        advise(advice::kSetFormat)));
  if (is_folder(folder))
    if (const auto line = left_out(folder, data.reader->sources())) data.warnings.push_back(*line);
  return data;
}

namespace {

constexpr std::array<std::array<std::string_view, 3>, 3> kSplitWords{
    {{"train", "training", "train"}, {"val", "valid", "validation"}, {"test", "testing", "test"}}};

// The only split for which `fits(its name in lower case)`; none where there are none or two.
template <class Fits>
std::optional<std::string> only_split(const std::vector<std::string>& splits, Fits&& fits) {
  std::optional<std::string> found;
  for (const std::string& split : splits) {
    if (!fits(lower_case(split))) continue;
    if (found) return std::nullopt;  // train2014, train2017: which?
    found = split;
  }
  return found;
}

// "val" for Validation; the name itself where it is none of the usual words.
std::string usual_name(const std::string& name) {
  for (const auto& words : kSplitWords)
    if (std::find(words.begin(), words.end(), name) != words.end()) return std::string(words[0]);
  return name;
}

}  // namespace

std::optional<std::string> find_split(const std::vector<std::string>& splits, const std::string& wanted) {
  if (std::find(splits.begin(), splits.end(), wanted) != splits.end()) return wanted;
  const std::string name = lower_case(wanted);
  const std::string usual = usual_name(name);
  if (auto found = only_split(splits, [&](const std::string& split) { return split == name; })) return found;
  if (auto found = only_split(splits, [&](const std::string& split) { return usual_name(split) == usual; }))
    return found;
  return only_split(splits, [&](const std::string& split) { return split.starts_with(usual) && split != "trainval"; });
}

Dataset load_dataset(OpenDataset& data, const std::filesystem::path& folder, const std::string& split,
                     const LoadOptions& options) {
  const auto splits = data.reader->splits();
  const bool whole = options.whole && splits.size() == 1 && splits[0] == kWholeSet;
  const auto found = find_split(splits, whole ? kWholeSet : split);
  if (!found) {
    std::string text = fmt::format("{}: has no split '{}' (read as {}; ", printable(folder.native()), split,
                                   entry_of(data.format).name);
    if (splits.size() == 1 && splits[0] == kWholeSet)
      text += "it is not split)";
    else
      text += fmt::format("it has: {})", printable(fmt::format("{}", fmt::join(splits, ", "))));
    if (split == "train" || split == "val") text += "; " + advise(advice::kSplitDataset);
    throw Error(ErrorKind::Data, text);
  }
  Dataset dataset = make_dataset(data.reader->read(*found), whole ? kWholeSet : split, options);
  auto& warnings = dataset.report.warnings;
  warnings.insert(warnings.begin(), data.warnings.begin(), data.warnings.end());
  return dataset;
}

Dataset load_dataset(const std::filesystem::path& folder, const std::string& split, const LoadOptions& options) {
  OpenDataset data = open_dataset(folder, options);
  return load_dataset(data, folder, split, options);
}

}  // namespace fovea
