#include "tools/data/formats/left_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

// Whose folders are compared by where they truly are: splits may name them by a link.
class LeftOut {
 public:
  LeftOut(const fs::path& root, const Sources& sources) : root_(root), sources_(sources) {
    for (const fs::path& folder : sources.folders) read_folders_.insert(true_path(folder));
    for (const fs::path& file : sources.files) read_files_.insert(true_path(file));
  }

  std::optional<std::string> look() {
    if (is_read("")) return std::nullopt;
    for (const std::string& name : files_below(root_)) {
      const std::string folder = name.substr(0, name.rfind('/') == name.npos ? 0 : name.rfind('/'));
      const bool could_be = std::any_of(sources_.endings.begin(), sources_.endings.end(),
                                        [&](const std::string& ending) { return has_ending(name, ending); });
      const bool image = sources_.one_per_image && has_image_ending(name);
      if ((!could_be && !image) || is_read(folder)) continue;
      if (image)
        images_.push_back(fs::path(name).stem().string());
      else if (is_annotations(folder, name))
        annotations_.push_back(name);
    }
    const auto images = images_of_annotations();
    if (annotations_.empty() || (sources_.one_per_image && images == 0)) return std::nullopt;
    return line(images);
  }

 private:
  // Ultralytics writes what a model finds to runs/, in the format of its labels.
  bool is_read(const std::string& folder) {
    const auto [known, added] = is_read_.try_emplace(folder, false);
    if (!added) return known->second;
    const fs::path below(folder);
    known->second = std::find(below.begin(), below.end(), "runs") != below.end();
    for (fs::path path = true_path(root_ / below); !known->second; path = path.parent_path()) {
      known->second = read_folders_.contains(path);
      if (path == path.parent_path()) break;
    }
    return known->second;
  }

  // By what it holds; of many in one folder only the first are looked into.
  bool is_annotations(const std::string& folder, const std::string& name) {
    constexpr int many = 200;
    auto& [looked, found] = looked_[folder];
    if (looked >= many) return 2 * found > looked;
    ++looked;
    if (!read_files_.empty() && read_files_.contains(true_path(root_ / name))) return false;
    try {
      const bool fits = sources_.is_annotations(root_ / name);
      found += fits;
      return fits;
    } catch (const Error&) {  // of a file that nobody asked to read
      return false;
    }
  }

  std::ptrdiff_t images_of_annotations() const {
    std::unordered_set<std::string> stems;
    for (const std::string& name : annotations_) stems.insert(fs::path(name).stem().string());
    return std::count_if(images_.begin(), images_.end(), [&](auto& stem) { return stems.contains(stem); });
  }

  std::string line(std::ptrdiff_t images) const {
    return fmt::format(
        "{}: {} annotation files{} belong to no split and are not read; the first: {}; if they are part of the set, "
        "move or merge them into a split",
        printable(root_.native()), annotations_.size(), images > 0 ? fmt::format(" and {} images", images) : "",
        printable((root_ / annotations_[0]).native()));
  }

  const fs::path& root_;
  const Sources& sources_;
  std::set<fs::path> read_folders_, read_files_;
  std::map<std::string, bool> is_read_;                // by folder
  std::map<std::string, std::pair<int, int>> looked_;  // by folder: files that were looked into, and annotations
  std::vector<std::string> annotations_, images_;      // the latter by their stems
};

}  // namespace

std::optional<std::string> left_out(const fs::path& root, const Sources& sources) {
  if (!sources.is_annotations) return std::nullopt;
  try {
    return LeftOut(root, sources).look();
  } catch (const Error& error) {  // a folder that may not be entered keeps nobody from reading these
    return fmt::format("{}: was not searched for annotations that belong to no split: {}", printable(root.native()),
                       error.what());
  }
}

}  // namespace fovea
