#include "tools/data/formats/coco_layout.h"

#include <algorithm>
#include <array>
#include <optional>

#include "tools/data/formats/folder.h"
#include "tools/data/formats/format.h"
#include "tools/data/formats/labelme_json.h"
#include "tools/data/formats/via_json.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

using Parts = std::map<std::string, CocoPart>;

constexpr std::string_view kInstances = "instances_", kKeypoints = "person_keypoints_";

// COCO's annotations for other tasks, beside those of boxes.
bool is_of_another_task(const std::string& name) {
  constexpr std::array<std::string_view, 5> tasks{"captions_", kKeypoints, "panoptic_", "stuff_", "image_info_"};
  return std::any_of(tasks.begin(), tasks.end(), [&](auto task) { return name.starts_with(task); });
}

// train, Validation, test2017, val_small; not trainval, values.
bool is_split_word(const std::string& name) {
  constexpr std::array<std::string_view, 7> words{"train", "training", "val", "valid", "validation", "test", "testing"};
  const std::string lower = lower_case(name);
  return std::any_of(words.begin(), words.end(), [&](auto word) {
    const char next = lower.size() > word.size() ? lower[word.size()] : '.';
    return lower.starts_with(word) && (next < 'a' || next > 'z');
  });
}

// What a file's name says of its split: train2017 of instances_train2017.json, train of custom_train.json.
std::string subset_of(const std::string& file) {
  std::string name = fs::path(file).stem().string();
  for (const std::string_view head : {kInstances, kKeypoints})
    if (name.starts_with(head)) return name.substr(head.size());
  if (is_split_word(name)) return name;
  if (const size_t last = name.find_last_of("_-. "); last != std::string::npos && is_split_word(name.substr(last + 1)))
    return name.substr(last + 1);
  const size_t first = name.find_first_of("_-. ");
  if (first != std::string::npos && is_split_word(name.substr(0, first))) return name.substr(0, first);
  return name;
}

// Files that say no split are the set as a whole where there is one of them; two of one split keep their whole names.
Parts parts_of(const fs::path& folder, const std::vector<std::string>& files) {
  Parts parts;
  for (const std::string& file : files) {
    const std::string subset = subset_of(file);
    const auto same =
        std::count_if(files.begin(), files.end(), [&](auto& other) { return subset_of(other) == subset; });
    const bool whole = subset == "default" || (files.size() == 1 && !is_split_word(subset));
    const std::string split = whole ? kWholeSet : same == 1 ? subset : fs::path(file).stem().string();
    parts[split] = {folder / file, subset};
  }
  return parts;
}

std::vector<std::string> json_in(const fs::path& folder, PassedOver* passed) {
  auto files = files_in(folder, passed);
  std::erase_if(files, [](auto& file) { return !has_ending(file, ".json"); });
  return files;
}

template <class Keep>
std::vector<std::string> kept(std::vector<std::string> files, Keep&& keep) {
  std::erase_if(files, [&](auto& file) { return !keep(file); });
  return files;
}

// Of the files in annotations/, those of boxes.
Parts find_in_annotations(const fs::path& annotations, PassedOver* passed) {
  const auto files = json_in(annotations, passed);
  const auto begins = [](std::string_view head) {
    return [head](const std::string& file) { return file.starts_with(head); };
  };
  auto chosen = kept(files, begins(kInstances));
  if (chosen.empty())
    chosen =
        kept(files, [&](auto& file) { return !is_of_another_task(file) && !looks_like_labelme(annotations / file); });
  if (chosen.size() > 1) {
    const auto named = kept(chosen, [](auto& file) { return is_split_word(subset_of(file)); });
    if (!named.empty()) chosen = named;
  }
  if (chosen.empty()) chosen = kept(files, begins(kKeypoints));
  return parts_of(annotations, chosen);
}

// The file of a folder that holds no split of its own.
std::optional<fs::path> whole_file(const fs::path& folder, PassedOver* passed) {
  for (const char* name : {"_annotations.coco.json", "annotations.json", "labels.json", "result.json", "coco.json",
                           "instances_default.json"})
    if (is_there(folder / name) && !looks_like_via(folder / name)) return folder / name;
  constexpr size_t many = 50;  // a file an image is another format
  if (json_in(folder, passed).size() > many) return std::nullopt;
  const auto files = kept(json_in(folder, passed), [&](auto& file) { return looks_like_coco(folder / file); });
  return files.size() == 1 ? std::optional(folder / files[0]) : std::nullopt;
}

Parts find_at_top(const fs::path& folder, PassedOver* passed) {
  const auto named = kept(json_in(folder, passed), [&](auto& file) {
    const bool known =
        is_split_word(subset_of(file)) && (is_split_word(fs::path(file).stem()) || looks_like_coco(folder / file));
    return known || (file.starts_with(kInstances) && subset_of(file) != "default");
  });
  if (!named.empty()) return parts_of(folder, named);
  if (const auto file = whole_file(folder, passed)) return {{kWholeSet, {*file, ""}}};
  return {};
}

Parts find_in_split_folders(const fs::path& folder, PassedOver* passed) {
  Parts parts;
  for (const std::string& inner : folders_in(folder))
    if (is_split_word(inner))
      if (const auto file = whole_file(folder / inner, passed)) parts[inner] = {*file, inner};
  return parts;
}

std::optional<fs::path> folder_called(const fs::path& folder, std::string_view lower_name) {
  for (const std::string& inner : folders_in(folder))
    if (lower_case(inner) == lower_name) return folder / inner;
  return std::nullopt;
}

}  // namespace

bool looks_like_coco(const fs::path& file) {
  constexpr size_t enough = size_t{64} << 10;
  const std::string text = beginning_if_readable(file, enough);
  const std::string_view start = trimmed(text);
  if (!start.starts_with('{')) return false;
  const auto has = [&](std::string_view key) { return start.find(key) != start.npos; };
  // Categories alone are a list of names (Label Studio's notes.json), unless the other lists come after many of them.
  const bool lists = has("\"images\"") || has("\"annotations\"") || (has("\"categories\"") && text.size() == enough);
  return lists && !has("\"shapes\"");
}

bool looks_like_coco_split(const fs::path& file) {
  const std::string name = lower_case(file.filename().string());
  return !is_of_another_task(name) && name.find("trainval") == name.npos && looks_like_coco(file);
}

fs::path coco_folder(const fs::path& path) {
  if (is_folder(path)) return path;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const bool inner = lower_case(fs::absolute(folder).lexically_normal().filename().string()) == "annotations";
  return inner ? (folder / "..").lexically_normal() : folder;
}

Parts find_coco_files(const fs::path& path, PassedOver* passed) {
  if (!is_folder(path)) {
    const bool is_set = has_ending(path.native(), ".json") && is_there(path) && looks_like_coco(path);
    return is_set ? Parts{{kWholeSet, {path, subset_of(path.filename().string())}}} : Parts{};
  }
  Parts parts;
  for (const char* name : {"annotations", "annotation"})
    if (const auto annotations = folder_called(path, name); annotations && parts.empty())
      parts = find_in_annotations(*annotations, passed);
  if (parts.empty()) parts = find_in_split_folders(path, passed);
  if (parts.empty()) parts = find_at_top(path, passed);
  return parts;
}

std::vector<fs::path> coco_image_folders(const fs::path& folder, const CocoPart& part) {
  std::vector<fs::path> folders;
  const auto add = [&](const fs::path& place) {
    if (is_folder(place) && std::find(folders.begin(), folders.end(), place) == folders.end()) folders.push_back(place);
  };
  const fs::path beside = part.file.parent_path();
  const fs::path images = folder_called(folder, "images").value_or(folder / "images");
  if (!part.subset.empty()) {
    for (const fs::path& above : {folder, images}) {
      add(above / part.subset);
      if (const auto found = find_split(folders_in(above), part.subset)) add(above / *found);
    }
  }
  for (const char* name : {"data", "images"})
    if (const auto inner = folder_called(beside, name)) add(*inner);
  add(images);
  add(beside);
  add(folder / "data");
  add(folder);
  add(folder / "JPEGImages");
  if (folders.empty()) folders.push_back(folder);
  return folders;
}

}  // namespace fovea
