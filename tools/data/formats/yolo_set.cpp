#include "tools/data/formats/yolo_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/file_finder.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/format.h"
#include "tools/data/formats/split_names.h"
#include "tools/data/formats/yolo_names.h"
#include "tools/data/formats/yolo_yaml.h"
#include "tools/image/image_file.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

fs::path folder_of_file(const fs::path& file) { return fs::absolute(file).parent_path().lexically_normal(); }

struct DarknetLine {
  std::string key, value;
  int line;
};

std::vector<DarknetLine> darknet_lines(const fs::path& file, std::string& warning) {
  const TextFile read = read_text_file(file);
  warning = read.warning;
  std::vector<DarknetLine> found;
  int number = 0;
  for (const auto line : lines_of(read.text)) {
    ++number;
    const size_t sign = line.find('=');
    if (sign == line.npos || trimmed(line).starts_with('#') || trimmed(line).starts_with(';')) continue;
    found.push_back({std::string(trimmed(line.substr(0, sign))), std::string(trimmed(line.substr(sign + 1))), number});
  }
  return found;
}

bool has_images(const fs::path& folder) { return !images_among(folder, files_below(folder)).empty(); }

// A list whose first line names an image.
bool is_list_of_images(const fs::path& file) {
  const std::string start = beginning_if_readable(file, 4096);
  const auto lines = lines_of(start);
  return !lines.empty() && has_image_ending(fs::path(trimmed(lines[0])));
}

// By the names of lists, or of folders here, in images/, or as CVAT names them, obj_train_data.
void find_splits(YoloSet& set) {
  for (const std::string& file : files_in(set.root))
    if (has_ending(file, ".txt") && is_split_name(fs::path(file).stem().string()) && is_list_of_images(set.root / file))
      set.splits[fs::path(file).stem().string()] = {file};
  if (!set.splits.empty()) return;
  std::vector<fs::path> places{""};
  for (const std::string& folder : folders_in(set.root))
    if (lower_case(folder).find("image") != std::string::npos) places.emplace_back(folder);
  for (const fs::path& place : places) {
    for (const std::string& folder : folders_in(set.root / place)) {
      const bool of_cvat = folder.starts_with("obj_") && folder.ends_with("_data") && folder.size() > 9;
      const std::string split = of_cvat ? folder.substr(4, folder.size() - 9) : folder;
      if ((of_cvat || is_split_name(split)) && has_images(set.root / place / folder))
        set.splits[split].push_back((place / folder).string());
    }
    if (!set.splits.empty()) break;
  }
  if (set.splits.empty()) set.splits[kWholeSet] = {"."};
}

}  // namespace

YoloSet set_of_yaml(const fs::path& file, bool doubled) {
  YoloYaml yaml = read_yolo_yaml(file, doubled);
  YoloSet set{.name = printable(file.native()),
              .folder = folder_of_file(file),
              .root = {},
              .splits = std::move(yaml.splits),
              .categories = std::move(yaml.categories),
              .task = std::move(yaml.task),
              .warnings = std::move(yaml.warnings)};
  // The folder that it was made in is often not the one that it lies in now.
  const fs::path said = (set.folder / yaml.path).lexically_normal();
  set.root = !yaml.path.empty() && is_folder(said) ? said : set.folder;
  return set;
}

std::optional<fs::path> find_darknet(const fs::path& folder) {
  std::optional<fs::path> found;
  for (const char* place : {"", "data", "cfg"}) {
    for (const std::string& name : files_in(folder / place)) {
      if (!has_ending(name, ".data")) continue;
      const std::string start = beginning_if_readable(folder / place / name, 4096);
      const auto lines = lines_of(start);
      if (std::none_of(lines.begin(), lines.end(), [](auto line) {
            return line.find('=') != line.npos && trimmed(line.substr(0, line.find('='))) == "names";
          }))
        continue;
      if (found) return std::nullopt;
      found = folder / place / name;
    }
  }
  return found;
}

YoloSet set_of_darknet(const fs::path& file, const fs::path& root, bool doubled) {
  YoloSet set;
  set.name = printable(file.native());
  set.folder = folder_of_file(file);
  set.root = fs::absolute(root).lexically_normal();
  std::string warning;
  const auto lines = darknet_lines(file, warning);
  if (!warning.empty()) set.warnings.push_back(warning);
  FileFinder finder(set.root, true), beside(set.folder, true);
  const auto fail = [&](const DarknetLine& line, const std::string& why) {
    return Error(ErrorKind::Data, fmt::format("{}:{}: {}", set.name, line.line, why));
  };
  std::optional<DarknetLine> classes;
  for (const DarknetLine& line : lines) {
    if (line.key == "classes") classes = line;
    if (line.key == "names") {
      const auto in_root = finder.find(line.value), in_folder = beside.find(line.value);
      if (!in_root && !in_folder)
        throw fail(line, fmt::format("names: {} does not exist: expected a file with a class name a line",
                                     printable(line.value)));
      set.categories = read_yolo_names(in_root ? set.root / *in_root : set.folder / *in_folder, doubled, set.warnings);
    } else if (has_ending(line.value, ".txt") && line.key != "labels" && line.key != "results") {
      set.splits[line.key] = {line.value};
    }
  }
  if (set.categories.empty()) throw Error(ErrorKind::Data, set.name + ": has no names: expected names = obj.names");
  if (classes && parse_integer(classes->value) != static_cast<int64_t>(set.categories.size()))
    throw fail(*classes,
               fmt::format("classes is {}, but there are {} names", excerpt(classes->value), set.categories.size()));
  if (set.splits.empty()) find_splits(set);
  return set;
}

std::string first_yolo_labels(const fs::path& folder) {
  for (const std::string& name : files_below(folder)) {
    const fs::path path(name);
    if (!has_ending(name, ".txt") || is_yolo_names_file(path.filename().string())) continue;
    if (looks_like_yolo_labels(beginning_if_readable(folder / path, 512))) return name;
  }
  return "";
}

std::optional<YoloSet> set_of_names(const fs::path& root, bool doubled) {
  const auto files = find_yolo_names(root);
  if (files.empty() || first_yolo_labels(root).empty()) return std::nullopt;
  YoloSet set;
  set.name = printable(files[0].native());
  set.folder = set.root = fs::absolute(root).lexically_normal();
  set.categories = read_yolo_names(files[0], doubled, set.warnings);
  std::vector<std::string> said_before;
  for (size_t i = 1; i < files.size(); ++i) {
    const auto others = read_yolo_names(files[i], doubled, said_before);
    const bool same = std::equal(others.begin(), others.end(), set.categories.begin(), set.categories.end(),
                                 [](auto& a, auto& b) { return a.id == b.id && a.name == b.name; });
    if (!same)
      throw Error(ErrorKind::Data, fmt::format("{} and {} have different class names: keep the right one",
                                               printable(files[0].native()), printable(files[i].native())));
  }
  find_splits(set);
  return set;
}

}  // namespace fovea
