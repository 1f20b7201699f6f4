#include "tools/data/formats/yolo_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "engine/printable.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/stem_index.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> parts_of(const std::string& folder) {
  std::vector<std::string> parts;
  for (const fs::path& part : fs::path(folder))
    if (!part.empty() && part != ".") parts.push_back(part.string());
  return parts;
}

// "labels" for "images", "train_labels" for "train_images"; none where the name says no such thing.
std::optional<std::string> label_name(const std::string& name) {
  constexpr std::array<std::array<std::string_view, 2>, 4> pairs{
      {{"jpegimages", "labels"}, {"images", "labels"}, {"image", "label"}, {"imgs", "labels"}}};
  const std::string lower = lower_case(name);
  for (const auto& [images, labels] : pairs)
    if (const size_t at = lower.rfind(images); at != lower.npos)
      return name.substr(0, at) + std::string(labels) + name.substr(at + images.size());
  return std::nullopt;
}

// The folder of that name in `parent`; else the only one of it in another letter case.
std::optional<std::string> folder_named(const fs::path& parent, const std::string& name) {
  if (is_folder(parent / name)) return name;
  std::optional<std::string> found;
  for (const std::string& folder : folders_in(parent)) {
    if (lower_case(folder) != lower_case(name)) continue;
    if (found) return std::nullopt;
    found = folder;
  }
  return found;
}

// The same for a path of several folders.
std::optional<std::string> folders_named(const fs::path& parent, const fs::path& path) {
  fs::path found;
  for (const fs::path& part : path) {
    const auto folder = folder_named(parent / found, part.string());
    if (!folder) return std::nullopt;
    found /= *folder;
  }
  return found.string();
}

std::string joined(const std::vector<std::string>& parts, size_t first, size_t end) {
  fs::path path;
  for (size_t i = first; i < end; ++i) path /= parts[i];
  return path.string();
}

}  // namespace

std::string folder_of(const std::string& path) { return fs::path(path).parent_path().string(); }

std::vector<std::string> YoloPlaces::folders_for(const std::string& image_folder) const {
  const auto parts = parts_of(image_folder);
  std::vector<std::string> found;
  const auto add = [&](const fs::path& parent, const std::string& name, const std::string& rest) {
    const auto folder = folders_named(root_ / parent, fs::path(name) / rest);
    if (!folder) return;
    const std::string path = (parent / *folder).lexically_normal().string();
    const bool known = path == image_folder || std::find(found.begin(), found.end(), path) != found.end();
    if (!known && is_folder(root_ / path)) found.push_back(path);
  };
  for (size_t i = parts.size(); i-- > 0;)
    if (const auto name = label_name(parts[i])) add(joined(parts, 0, i), *name, joined(parts, i + 1, parts.size()));
  for (size_t i = parts.size() + 1; i-- > 0;) add(joined(parts, 0, i), "labels", joined(parts, i, parts.size()));
  for (std::string& folder : found)
    if (folder.ends_with('/')) folder.pop_back();
  return found;
}

const std::vector<std::string>& YoloPlaces::label_folders(const std::string& image_folder) {
  const auto [found, added] = folders_.try_emplace(image_folder);
  if (added) found->second = folders_for(image_folder);
  return found->second;
}

const YoloPlaces::Listing& YoloPlaces::listing(const std::string& folder) {
  const auto [found, added] = listings_.try_emplace(folder);
  if (!added) return found->second;
  for (const std::string& file : files_in(root_ / folder)) {
    const std::string stem = without_ending(file), key = StemIndex::key_of(stem);
    if (has_image_ending(file)) found->second.images[key].insert(stem);
    if (!has_ending(file, ".txt")) continue;
    found->second.labels.insert(file);
    found->second.alike[key].insert(file);
  }
  return found->second;
}

// Of the image's own name; else the only one of that name in whatever letter case, where no other image is called so.
std::string YoloPlaces::label_in(const std::string& folder, const std::string& image) {
  const Listing& here = listing(folder);
  const std::string stem = fs::path(image).stem().string(), key = StemIndex::key_of(stem);
  for (const char* ending : {".txt", ".TXT"})
    if (here.labels.contains(stem + ending)) return (fs::path(folder) / (stem + ending)).string();
  const auto alike = here.alike.find(key);
  if (alike == here.alike.end() || alike->second.size() != 1) return "";
  const auto& images = listing(folder_of(image)).images;
  if (const auto others = images.find(key); others != images.end() && others->second.size() > 1) return "";
  const std::string found = (fs::path(folder) / *alike->second.begin()).string();
  if (fs::path(found).stem() != stem) other_case_.insert(found);
  return found;
}

YoloPlaces::Labels YoloPlaces::find(const std::string& image) {
  const std::string folder = folder_of(image);
  Labels labels{.apart = "", .beside = label_in(folder, image)};
  for (const std::string& place : label_folders(folder))
    if (labels.apart.empty()) labels.apart = label_in(place, image);
  return labels;
}

void YoloPlaces::warn(std::vector<std::string>& warnings, const std::string& name, const std::string& split) {
  if (!other_case_.empty())
    warnings.push_back(
        fmt::format("{}: {} label files of {} differ from their images in letter case, or in the form of "
                    "é and the like; they are taken; the first: {}",
                    name, other_case_.size(), split, printable(*other_case_.begin())));
  other_case_.clear();
}

std::string YoloPlaces::expected(const std::string& image) {
  const std::string folder = folder_of(image), name = fs::path(image).filename().replace_extension(".txt").string();
  if (!label_folders(folder).empty()) return (fs::path(label_folders(folder)[0]) / name).string();
  const auto parts = parts_of(folder);
  for (size_t i = parts.size(); i-- > 0;)
    if (const auto labels = label_name(parts[i]))
      return (fs::path(joined(parts, 0, i)) / *labels / joined(parts, i + 1, parts.size()) / name).string();
  return (fs::path(folder) / name).string();
}

}  // namespace fovea
