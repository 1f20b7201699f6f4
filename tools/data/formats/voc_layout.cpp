#include "tools/data/formats/voc_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/format.h"
#include "tools/data/formats/split_names.h"
#include "tools/image/image_file.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

// The folder of the first of these names, in whatever case, as it is called there.
std::optional<std::string> one_of(const Names& folders, std::initializer_list<const char*> names) {
  for (const char* name : names)
    for (const std::string& folder : folders)
      if (lower_case(folder) == name) return folder;
  return std::nullopt;
}

bool holds_image(const fs::path& folder) {
  for (const char* ending : {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
    if (any_file_below(folder, ending, true)) return true;
  return false;
}

class PartFinder {
 public:
  explicit PartFinder(const fs::path& folder) : folder_(folder) {}

  std::vector<VocPart> find() {
    find_part("");
    if (parts_.empty()) find_years("");
    if (parts_.empty()) find_flat();
    return std::move(parts_);
  }

 private:
  bool find_part(const std::string& prefix, const std::string& split = "") {
    const Names inside = folders_in(folder_ / prefix);
    for (const char* name : {"annotations", "annotation", "xmls", "xml", "labels", "label"}) {
      const auto annotations = one_of(inside, {name});
      if (!annotations || !any_file_below(folder_ / prefix / *annotations, ".xml", true)) continue;
      const auto images = one_of(inside, {"jpegimages", "images", "image", "imgs", "img"});
      const bool beside = holds_image(folder_ / prefix / *annotations);
      std::string where = prefix + images.value_or(beside ? *annotations : "");
      while (where.ends_with('/')) where.pop_back();
      parts_.push_back({prefix + *annotations, where, lists_in(prefix, inside), split});
      return true;
    }
    return false;
  }

  // The folders that may hold lists, the usual one first.
  Names lists_in(const std::string& prefix, const Names& inside) const {
    Names places;
    if (const auto sets = one_of(inside, {"imagesets"})) {
      if (const auto main = one_of(folders_in(folder_ / prefix / *sets), {"main"}))
        places.push_back(prefix + *sets + "/" + *main);
      places.push_back(prefix + *sets);
    }
    return places;
  }

  // VOC2007/, VOC2012/ …, or VOCdevkit/ with these in it.
  void find_years(const std::string& prefix) {
    for (const std::string& inner : folders_in(folder_ / prefix)) {
      if (!inner.starts_with("VOC") || find_part(prefix + inner + "/")) continue;
      if (prefix.empty()) find_years(inner + "/");
    }
  }

  // Annotations beside the images, in a folder a split; folders that are called otherwise are parts of one set.
  void find_flat() {
    for (const std::string& inner : folders_in(folder_))
      if (!find_part(inner + "/", inner) && any_file_below(folder_ / inner, ".xml", true) &&
          holds_image(folder_ / inner))
        parts_.push_back({inner, inner, {}, inner});
    Names names;
    for (const VocPart& part : parts_) names.push_back(part.split);
    const bool split = find_split(names, "train") || find_split(names, "val") || find_split(names, "test");
    if (!split)
      for (VocPart& part : parts_) part.split = kWholeSet;
    if (!split && any_file_below(folder_, ".xml", false)) parts_ = {{"", "", {}, kWholeSet}};
  }

  fs::path folder_;
  std::vector<VocPart> parts_;
};

}  // namespace

std::vector<VocPart> find_voc_parts(const fs::path& folder) { return PartFinder(folder).find(); }

namespace {

std::map<std::string, fs::path> lists_in(const fs::path& place) {
  std::map<std::string, fs::path> lists;
  std::map<std::string, fs::path> of_classes;  // VoTT has no others; each has all images of its split
  constexpr std::array<std::string_view, 6> ends{"_train", "_val", "_trainval", "_test", "_default", "_validation"};
  for (const std::string& list : files_in(place)) {
    if (!has_ending(list, ".txt")) continue;
    const std::string split = without_ending(list), lower = lower_case(split);
    const auto end = std::find_if(ends.begin(), ends.end(), [&](auto word) { return lower.ends_with(word); });
    if (end == ends.end())
      lists[split] = place / list;
    else
      of_classes.emplace(end->substr(1), place / list);
  }
  return lists.empty() ? of_classes : lists;
}

// Beside the folder of annotations, where other text files lie, too: those whose first line names an annotation.
std::map<std::string, fs::path> lists_beside(const fs::path& annotations) {
  std::map<std::string, fs::path> lists;
  for (const std::string& list : files_in(annotations.parent_path())) {
    if (!has_ending(list, ".txt") || !is_split_name(without_ending(list))) continue;
    const fs::path path = annotations.parent_path() / list;
    const std::string start = beginning_if_readable(path, 4096);
    const auto lines = lines_of(start);
    const std::string_view words = lines.empty() ? std::string_view() : trimmed(lines[0]);
    std::string first = words.empty() ? "" : std::string(words_of(words)[0]);
    std::replace(first.begin(), first.end(), '\\', '/');
    const fs::path name = fs::path(first).filename();
    const bool has_end = has_image_ending(name) || has_ending(name.native(), ".xml");
    const std::string stem = has_end ? name.stem().string() : name.string();
    if (!stem.empty() && (is_there(annotations / (stem + ".xml")) || is_there(annotations / (stem + ".XML"))))
      lists[without_ending(list)] = path;
  }
  return lists;
}

}  // namespace

std::map<std::string, fs::path> split_lists(const fs::path& folder, const VocPart& part) {
  std::map<std::string, fs::path> lists;
  for (const std::string& place : part.lists)
    if (lists.empty()) lists = lists_in(folder / place);
  if (lists.empty() && !part.annotations.empty()) lists = lists_beside(folder / part.annotations);
  // CVAT's name for what it has not split.
  if (lists.size() == 1 && lists.begin()->first == "default") return {{kWholeSet, lists.begin()->second}};
  return lists;
}

std::vector<std::string> listed_classes(const fs::path& folder, std::vector<std::string>& warnings) {
  std::vector<std::string> classes;
  for (const char* name : {"classes.txt", "labelmap.txt", "label_list.txt"}) {
    const fs::path path = folder / name;
    if (!is_there(path)) continue;
    const bool is_map = std::string_view(name) == "labelmap.txt";
    TextFile file = read_text_file(path);
    if (!file.warning.empty()) warnings.push_back(std::move(file.warning));
    std::set<std::string> seen;
    for (std::string_view line : lines_of(file.text)) {
      if (is_map && trimmed(line).starts_with('#')) continue;
      if (is_map) line = line.substr(0, line.find(':'));  // name:color:parts:actions
      line = trimmed(line);
      if (line.empty() || (is_map && line == "background")) continue;
      if (!seen.emplace(line).second)
        throw Error(ErrorKind::Data,
                    fmt::format("{}: the class '{}' is listed twice", printable(path.native()), printable(line)));
      classes.emplace_back(line);
    }
    return classes;
  }
  return classes;
}

}  // namespace fovea
