#include "tools/data/formats/labelme.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/category_names.h"
#include "tools/data/formats/file_finder.h"
#include "tools/data/formats/labelme_json.h"
#include "tools/data/formats/split_names.h"
#include "tools/data/formats/stem_index.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

using Folders = std::map<std::string, std::vector<fs::path>>;  // of JSON files, below the root, by split

class LabelMeReader : public DatasetReader {
 public:
  LabelMeReader(const fs::path& root, Folders folders, fs::path images)
      : root_(root), folders_(std::move(folders)), images_(std::move(images)), finder_(images_, true) {}

  std::vector<std::string> splits() const override { return names_of(folders_); }

  Sources sources() override {
    Sources sources{.folders = {},
                    .files = {},
                    .endings = {".json"},
                    .is_annotations = [](const fs::path& file) { return looks_like_labelme(file); },
                    .one_per_image = true};
    for (const auto& [split, folders] : folders_)
      for (const fs::path& folder : folders) sources.folders.push_back(root_ / folder);
    return sources;
  }

 private:
  RawDataset read_split(const std::string& split) override {
    const auto& folders = folders_.at(split);
    RawDataset raw;
    raw.name = printable((folders.size() == 1 ? root_ / folders[0] : root_).native());
    raw.image_root = images_;
    name_classes(raw);
    finder_ = FileFinder(images_, true);
    left_out_.clear();
    joined_ = 0;
    size_t others = 0;
    std::string first_other;
    Repeats repeats;
    for (const fs::path& folder : folders)
      for (const std::string& name : files_in(root_ / folder, &passed_)) {
        if (!has_ending(name, ".json")) continue;
        if (!looks_like_labelme(root_ / folder / name)) {
          if (others++ == 0) first_other = name;
          continue;
        }
        add_file(raw, split, folder, name, repeats);
      }
    say(raw, others, first_other);
    for (const std::string& line : finder_.warnings(raw.name)) raw.warnings.push_back(line);
    if (folders.size() == 1 && !folders[0].empty()) move_to_root(raw, {folders[0].string() + "/"});
    move_to_root(raw, {"images/" + split + "/", split + "/images/", split + "/", "images/"});
    return raw;
  }

  void say(RawDataset& raw, size_t others, const std::string& first_other) const {
    const auto warn = [&](size_t count, const std::string& what) {
      if (count > 0) raw.warnings.push_back(fmt::format("{}: {} {}", raw.name, count, what));
    };
    for (const auto& [kind, count] : left_out_)
      warn(static_cast<size_t>(count),
           fmt::format("shapes of the kind {} have no area and are left out", printable(kind)));
    warn(static_cast<size_t>(joined_), "shapes belong to the group of another one and are parts of its object");
    warn(others, "JSON files are not LabelMe's and are not read; the first: " + printable(first_other));
  }

  // In the order of the alphabet, of all splits.
  void name_classes(RawDataset& raw) {
    if (names_.empty())
      for (const auto& [split, folders] : folders_)
        for (const fs::path& folder : folders)
          for (const std::string& name : files_in(root_ / folder, &passed_))
            if (has_ending(name, ".json") && looks_like_labelme(root_ / folder / name))
              for (const LabelMeObject& object : read(root_ / folder / name).first.objects) names_.insert(object.name);
    label_ = number_categories(raw, names_);
  }

  // With why it cannot be read; empty where it can.
  static std::pair<LabelMeFile, std::string> read(const fs::path& path) {
    try {
      return {read_labelme_json(path), ""};
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Data) throw;
      return {{}, error.what()};
    }
  }

  void add_file(RawDataset& raw, const std::string& split, const fs::path& folder, const std::string& name,
                Repeats& repeats) {
    const auto [file, fault] = read(root_ / folder / name);
    if (!fault.empty()) {
      raw.bad_images.push_back({locate(split, folder, name, ""), fault});
      return;
    }
    for (const auto& [kind, count] : file.left_out) left_out_[kind] += count;
    joined_ += file.joined;
    raw.files.push_back(printable((root_ / folder / name).native()));
    const Origin origin{static_cast<int32_t>(raw.files.size()) - 1, 0};
    RawImage image{.id = static_cast<int64_t>(raw.images.size() + raw.bad_images.size()) + 1,
                   .file_name = locate(split, folder, name, file.image_path),
                   .width = file.width,
                   .height = file.height,
                   .origin = origin};
    if (repeats.again(image.file_name))
      throw Error(ErrorKind::Data, fmt::format("{}: its image, {}, is already that of another file: keep one of them",
                                               raw.files.back(), printable(image.file_name)));
    if ((image.width == 0 || image.height == 0) && !take_size_from_file(raw, image)) return;
    for (const LabelMeObject& object : file.objects)
      raw.objects.push_back(
          {.id = static_cast<int64_t>(raw.objects.size()) + 1,
           .image_id = image.id,
           .category_id = label_.at(object.name),
           .bbox = box_of_corners(object.corners[0], object.corners[1], object.corners[2], object.corners[3]),
           .area = std::nullopt,
           .crowd = object.difficult,
           .origin = origin});
    raw.images.push_back(std::move(image));
  }

  // Where imagePath says; else the image of that name, or of the JSON file's, beside it or in a folder of images.
  std::string locate(const std::string& split, const fs::path& folder, const std::string& json, std::string said) {
    std::replace(said.begin(), said.end(), '\\', '/');
    if (const auto below = path_below(images_, fs::path(said).is_absolute() ? fs::path(said) : folder / said);
        below && !said.empty() && is_file(images_ / *below))
      return *below;
    const std::string base = fs::path(said).filename().string();
    std::vector<fs::path> places{
        folder, folder.parent_path() / "images", "images", fs::path("images") / split, fs::path(split) / "images", ""};
    for (const fs::path& place : places)
      if (const auto found = base.empty() ? std::nullopt : finder_.find((place / base).lexically_normal().string()))
        return *found;
    for (const fs::path& place : places)
      for (const char* ending : {".jpg", ".jpeg", ".png", ".bmp", ".JPG", ".JPEG", ".PNG"}) {
        const fs::path own = (place / fs::path(json).replace_extension(ending)).lexically_normal();
        if (is_there(images_ / own)) return own.string();
      }
    if (!index_) index_.emplace(images_, has_image_ending, nullptr);
    for (const std::string& stem : {without_ending(said), (folder / fs::path(json).stem()).string()})
      if (const auto found = index_->find(stem); found && !stem.empty()) return *found;
    const fs::path named = base.empty() ? fs::path(json).replace_extension(".jpg") : fs::path(base);
    return (folder / named).lexically_normal().string();
  }

  fs::path root_;
  Folders folders_;
  fs::path images_;
  FileFinder finder_;
  std::optional<StemIndex> index_;  // of all images
  std::set<std::string> names_;
  std::map<std::string, int64_t> label_;
  std::map<std::string, int> left_out_;
  int joined_ = 0;
};

// The split that a folder is of: the part of its path that has the name of one.
std::string split_of_folder(const fs::path& folder) {
  for (const fs::path& part : folder)
    if (is_split_name(part.string())) return part.string();
  return kWholeSet;
}

// All folders that hold any; where some are those of splits, the others are no part of the set.
Folders find_folders(const fs::path& root) {
  std::set<fs::path> folders;
  for (const std::string& name : files_below(root)) {
    const fs::path folder = fs::path(name).parent_path();
    if (has_ending(name, ".json") && !folders.contains(folder) && looks_like_labelme(root / name))
      folders.insert(folder);
  }
  Folders found;
  for (const fs::path& folder : folders) found[split_of_folder(folder)].push_back(folder);
  if (found.size() > 1) found.erase(kWholeSet);
  return found;
}

}  // namespace

std::unique_ptr<DatasetReader> open_labelme(const fs::path& root, const LoadOptions& options) {
  if (!is_folder(root)) return nullptr;
  auto folders = find_folders(root);
  if (folders.empty()) return nullptr;
  return std::make_unique<LabelMeReader>(root, std::move(folders), options.images.empty() ? root : options.images);
}

}  // namespace fovea
