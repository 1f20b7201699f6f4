#include "tools/data/formats/yolo_places.h"

#include <algorithm>
#include <array>
#include <optional>

#include "tools/data/formats/folder.h"
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

// The folder of that name in `parent`, in whatever letter case; its own case first.
std::optional<std::string> folder_named(const fs::path& parent, const std::string& name) {
  if (is_folder(parent / name)) return name;
  for (const std::string& folder : folders_in(parent))
    if (lower_case(folder) == lower_case(name)) return folder;
  return std::nullopt;
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
    const auto folder = folder_named(root_ / parent, name);
    if (!folder) return;
    const std::string path = (parent / *folder / rest).lexically_normal().string();
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

bool YoloPlaces::holds(const std::string& folder, const std::string& name) {
  const auto [found, added] = text_files_.try_emplace(folder);
  if (added)
    for (const std::string& file : files_in(root_ / folder))
      if (has_ending(file, ".txt")) found->second.insert(file);
  return found->second.contains(name);
}

YoloPlaces::Labels YoloPlaces::find(const std::string& image) {
  const std::string folder = folder_of(image);
  Labels labels;
  for (const char* ending : {".txt", ".TXT"}) {
    const std::string name = fs::path(image).filename().replace_extension(ending).string();
    for (const std::string& place : label_folders(folder))
      if (labels.apart.empty() && holds(place, name)) labels.apart = (fs::path(place) / name).string();
    if (labels.beside.empty() && holds(folder, name)) labels.beside = (fs::path(folder) / name).string();
  }
  return labels;
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
