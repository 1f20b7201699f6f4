#include "tools/data/formats/coco.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>

#include "engine/printable.h"
#include "tools/data/formats/coco_json.h"
#include "tools/data/formats/coco_layout.h"
#include "tools/data/formats/file_finder.h"
#include "tools/data/formats/other_ending.h"
#include "tools/text/advice.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

// Sizes that the annotations do not say are those of the files; where they cannot be read, neither can the objects.
void take_missing_sizes(RawDataset& raw) {
  std::unordered_set<int64_t> unread;
  size_t taken = 0;
  std::erase_if(raw.images, [&](RawImage& image) {
    if (image.width > 0 && image.height > 0) return false;
    if (!path_below(raw.image_root, image.file_name)) return false;  // make_dataset() refuses it
    ++taken;
    if (take_size_from_file(raw, image)) return false;
    unread.insert(image.id);
    return true;
  });
  if (!unread.empty())
    std::erase_if(raw.objects, [&](const RawObject& object) { return unread.contains(object.image_id); });
  if (taken > 0)
    raw.warnings.push_back(
        fmt::format("{}: {} images have no width and height, which are taken from the files", raw.name, taken));
}

void warn_of_masks(RawDataset& raw) {
  if (raw.boxes_of_masks > 0)
    raw.warnings.push_back(fmt::format("{}: {} annotations have a segmentation and no bbox; its bounding box is taken",
                                       raw.name, raw.boxes_of_masks));
}

class CocoReader : public DatasetReader {
 public:
  CocoReader(const fs::path& path, const LoadOptions& options)
      : folder_(coco_folder(path)), images_(options.images), parts_(find_coco_files(path, &passed_)) {}

  bool found() const { return !parts_.empty(); }

  std::vector<std::string> splits() const override { return names_of(parts_); }

  Sources sources() override {
    Sources sources{.folders = {}, .files = {}, .endings = {".json"}, .is_annotations = looks_like_coco_split};
    for (const auto& [split, part] : parts_) sources.files.push_back(part.file);
    return sources;
  }

 protected:
  RawDataset read_split(const std::string& split) override {
    const CocoPart& part = parts_.at(split);
    RawDataset raw = read_coco_file(part.file);
    warn_of_masks(raw);
    find_images(raw, part);
    take_missing_sizes(raw);
    return raw;
  }

 private:
  // The folder that holds most of some of the images, by their whole paths; else by the last parts of these.
  void find_images(RawDataset& raw, const CocoPart& part) const {
    const auto roots = images_.empty() ? coco_image_folders(folder_, part) : std::vector<fs::path>{images_};
    raw.image_root = roots[0];
    size_t best = 0;
    const std::vector<std::string> some = some_names(raw);
    for (const bool tails : {false, true}) {
      for (const fs::path& root : roots) {
        FileFinder finder(root, tails);
        const auto found =
            static_cast<size_t>(std::count_if(some.begin(), some.end(), [&](auto& name) { return finder.find(name); }));
        if (found > best) raw.image_root = root;
        best = std::max(best, found);
      }
      if (best > 0) break;
    }
    for (const fs::path& root : best == 0 ? roots : std::vector<fs::path>()) {
      OtherEnding other(root);
      const auto found =
          static_cast<size_t>(std::count_if(some.begin(), some.end(), [&](auto& name) { return other.find(name); }));
      if (found > best) raw.image_root = root;
      best = std::max(best, found);
    }
    if (best == 0 && !some.empty()) return warn_of_no_image(raw, roots);
    take_names(raw, some);
  }

  static std::vector<std::string> some_names(const RawDataset& raw) {
    constexpr size_t asked = 50;
    std::vector<std::string> names;
    const size_t step = std::max<size_t>(1, raw.images.size() / asked);
    for (size_t i = 0; i < raw.images.size(); i += step) names.push_back(raw.images[i].file_name);
    return names;
  }

  // To look for each of many files takes long where the disk is far: if some of plain names are there, so are all.
  static void take_names(RawDataset& raw, const std::vector<std::string>& some) {
    FileFinder finder(raw.image_root, true);
    const auto is_plain = [](const std::string& name) {
      return name.front() != '/' && name.find("..") == std::string::npos &&
             std::all_of(name.begin(), name.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80 && c != '\\'; });
    };
    const bool as_said = std::all_of(some.begin(), some.end(),
                                     [&](auto& name) { return !is_plain(name) || is_there(raw.image_root / name); });
    std::vector<RawImage*> others;
    std::unordered_set<std::string> taken;
    for (RawImage& image : raw.images) {
      if (as_said && is_plain(image.file_name)) continue;
      if (auto found = finder.find(image.file_name)) {
        image.file_name = std::move(*found);
        taken.insert(image.file_name);
      } else {
        others.push_back(&image);
      }
    }
    OtherEnding other(raw.image_root);
    for (RawImage* image : others)
      if (auto found = other.find(image->file_name); found && taken.insert(*found).second)
        image->file_name = other.take(image->file_name, *found);
    for (std::string& line : other.warnings(raw.name)) raw.warnings.push_back(std::move(line));
    for (std::string& line : finder.warnings(raw.name)) raw.warnings.push_back(std::move(line));
  }

  void warn_of_no_image(RawDataset& raw, const std::vector<fs::path>& roots) const {
    std::vector<std::string> places;
    for (const fs::path& root : roots) {
      const std::string place = root.lexically_relative(folder_).string();
      if (is_folder(root)) places.push_back(place == "." || place.empty() ? root.string() : place + "/");
    }
    raw.warnings.push_back(fmt::format("{}: no image was found in {}; the first: {}{}; {} if they are elsewhere",
                                       raw.name, printable(fmt::format("{}", fmt::join(places, ", "))),
                                       printable(raw.images[0].file_name), hint_about(raw.images[0].file_name),
                                       advise(advice::kNameImages)));
  }

  fs::path folder_, images_;
  std::map<std::string, CocoPart> parts_;
};

}  // namespace

Dataset load_coco_file(const fs::path& json, const fs::path& image_root, const std::string& split,
                       const LoadOptions& options) {
  RawDataset raw = read_coco_file(json);
  raw.image_root = image_root;
  warn_of_masks(raw);
  take_missing_sizes(raw);
  return make_dataset(std::move(raw), split, options);
}

std::unique_ptr<DatasetReader> open_coco(const fs::path& path, const LoadOptions& options) {
  auto reader = std::make_unique<CocoReader>(path, options);
  return reader->found() ? std::move(reader) : nullptr;
}

}  // namespace fovea
