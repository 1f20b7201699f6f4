#include "tools/data/formats/coco.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "engine/printable.h"
#include "tools/data/formats/coco_json.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/labelme_json.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kInstances = "instances_", kRoboflow = "_annotations.coco.json";

bool is_json(const std::string& name) { return has_ending(name, ".json"); }

// COCO's annotations for other tasks, beside those of boxes.
bool is_of_another_task(const std::string& name) {
  constexpr std::array<std::string_view, 5> tasks{"captions_", "person_keypoints_", "panoptic_", "stuff_",
                                                  "image_info_"};
  return std::any_of(tasks.begin(), tasks.end(), [&](auto task) { return name.starts_with(task); });
}

std::string split_of(const std::string& file) {
  const std::string name = fs::path(file).stem().string();
  return name.starts_with(kInstances) ? name.substr(kInstances.size()) : name;
}

class CocoReader : public DatasetReader {
 public:
  explicit CocoReader(const fs::path& folder) : folder_(folder) {
    const fs::path annotations = folder / "annotations";
    const auto inside = files_in(annotations);
    const bool named =
        std::any_of(inside.begin(), inside.end(), [](auto& f) { return is_json(f) && f.starts_with(kInstances); });
    for (const std::string& file : inside)
      if (is_json(file) && !looks_like_labelme(annotations / file) &&
          (named ? file.starts_with(kInstances) : !is_of_another_task(file)))
        splits_[split_of(file)] = annotations / file;
    if (splits_.empty()) find_beside_images();
    if (splits_.empty()) find_at_top();
  }

  bool found() const { return !splits_.empty(); }

  std::vector<std::string> splits() const override { return names_of(splits_); }

  RawDataset read_split(const std::string& split) override {
    RawDataset raw = read_coco_file(splits_.at(split));
    find_images(raw, split);
    return raw;
  }

 private:
  // Roboflow's exports.
  void find_beside_images() {
    for (const char* split : {"train", "val", "valid", "test", ""})
      if (const fs::path file = folder_ / split / kRoboflow; fs::is_regular_file(file))
        splits_[*split == '\0' ? kWholeSet : split] = file;
  }

  void find_at_top() {
    for (const std::string& file : files_in(folder_)) {
      if (!is_json(file)) continue;
      const std::string split = split_of(file);
      const bool known = split == "train" || split == "val" || split == "valid" || split == "test";
      if (known || file.starts_with(kInstances)) splits_[split] = folder_ / file;
      if (file == "annotations.json") splits_[kWholeSet] = folder_ / file;
    }
  }

  // The folder that holds most of some of the images.
  void find_images(RawDataset& raw, const std::string& split) const {
    constexpr size_t asked = 50;
    const std::array<fs::path, 6> roots{
        folder_ / split, folder_ / "images" / split, folder_ / "images", splits_.at(split).parent_path(),
        folder_,         folder_ / "JPEGImages"};
    size_t best = 0;
    raw.image_root = fs::is_directory(roots[0]) ? roots[0] : roots[2];
    for (const fs::path& root : roots) {
      size_t found = 0;
      const size_t step = std::max<size_t>(1, raw.images.size() / asked);
      for (size_t i = 0; i < raw.images.size(); i += step) {
        const auto below = path_below(root, raw.images[i].file_name);
        found += below && is_there(root / *below) ? 1 : 0;
      }
      if (found > best) raw.image_root = root;
      best = std::max(best, found);
    }
    if (best == 0 && !raw.images.empty())
      raw.warnings.push_back(
          fmt::format("{}: no image was found in {}/, images/{}/ or images/ of {}; "
                      "the first: {}",
                      raw.name, split, split, printable(folder_.native()), printable(raw.images[0].file_name)));
  }

  fs::path folder_;
  std::map<std::string, fs::path> splits_;
};

}  // namespace

Dataset load_coco_file(const fs::path& json, const fs::path& image_root, const std::string& split,
                       const LoadOptions& options) {
  RawDataset raw = read_coco_file(json);
  raw.image_root = image_root;
  return make_dataset(std::move(raw), split, options);
}

std::unique_ptr<DatasetReader> open_coco(const fs::path& folder, const LoadOptions& /*options*/) {
  if (!fs::is_directory(folder)) return nullptr;
  auto reader = std::make_unique<CocoReader>(folder);
  return reader->found() ? std::move(reader) : nullptr;
}

}  // namespace fovea
