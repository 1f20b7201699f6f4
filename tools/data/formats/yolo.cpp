#include "tools/data/formats/yolo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/file_finder.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/yolo_names.h"
#include "tools/data/formats/yolo_places.h"
#include "tools/data/formats/yolo_set.h"
#include "tools/data/formats/yolo_yaml.h"
#include "tools/image/image_file.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct ImagePath {
  std::string below_root;
  Origin origin;
};

class YoloReader : public DatasetReader {
 public:
  explicit YoloReader(YoloSet set)
      : set_(std::move(set)), finder_(set_.root, true), places_(set_.root), labels_(set_.name, set_.task) {}

  std::vector<std::string> splits() const override { return names_of(set_.splits); }

  Sources sources() override {
    Sources sources{
        .folders = {}, .files = {}, .endings = {".txt"}, .is_annotations = is_label_file, .one_per_image = true};
    for (const auto& [split, places] : set_.splits) {
      try {
        for (const std::string& folder : image_folders(split)) {
          sources.folders.push_back(set_.root / folder);
          for (const std::string& labels : places_.label_folders(folder)) sources.folders.push_back(set_.root / labels);
        }
      } catch (const Error&) {                                  // who reads the split says what is wrong
        if (!lower_case(split).starts_with("test")) return {};  // which data.yaml often names, and nobody has
      }
    }
    return sources;
  }

 private:
  static bool is_label_file(const fs::path& file) {
    return !is_yolo_names_file(file.filename().string()) && looks_like_yolo_labels(beginning_of(file, 512));
  }

  // Below the root: those that are named, and those of the images in lists.
  std::set<std::string> image_folders(const std::string& split) {
    std::set<std::string> folders;
    for (const std::string& said : set_.splits.at(split)) {
      const fs::path path = place(said, split);
      if (is_folder(path)) {
        const fs::path inside = below_root(path, said, set_.name);
        folders.insert(inside == "." ? std::string() : inside.string());
        continue;
      }
      std::set<std::string> seen;
      const auto bytes = read_file(path);
      for (const auto line : lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()}))
        if (!trimmed(line).empty() && seen.insert(folder_of(std::string(line))).second)
          folders.insert(folder_of(listed(path, std::string(line), set_.name)));
    }
    return folders;
  }

  RawDataset read_split(const std::string& split) override {
    RawDataset raw;
    raw.name = set_.name;
    raw.categories = set_.categories;
    raw.image_root = set_.root;
    raw.warnings = set_.warnings;
    finder_ = FileFinder(set_.root, true);  // which says what it did for this split
    labels_.begin();
    const auto images = images_of(split, raw);
    const auto labels = labels_of(split, images, raw);
    for (size_t i = 0; i < images.size(); ++i) add_image(raw, images[i], labels[i]);
    warn_of_lone_labels(split, images, labels, raw);
    labels_.finish(raw, split);
    for (const std::string& line : finder_.warnings(set_.name)) raw.warnings.push_back(line);
    places_.warn(raw.warnings, set_.name, split);
    std::vector<std::string> folders;
    for (const std::string& folder : folders_) folders.push_back((fs::path(folder) / "").string());
    for (const std::string& usual : {"images/" + split + "/", split + "/images/", split + "/", std::string("images/")})
      folders.push_back(usual);
    move_to_root(raw, folders);
    move_to_root(raw, {"images/"});  // of train/images, where the folder of the split is train
    return raw;
  }

  // Paths start from the set's folder, or from the YAML file's; Roboflow writes ../train/images for train/images.
  fs::path place(const std::string& said, const std::string& split) {
    std::vector<fs::path> tried{set_.root / said, set_.folder / said};
    if (said.starts_with("../")) tried.push_back(set_.folder / said.substr(3));
    for (const fs::path& path : tried)
      if (is_there(path)) return path.lexically_normal();
    if (const auto found = finder_.find(said)) return set_.root / *found;
    throw Error(ErrorKind::Data,
                fmt::format("{}: {}: {} does not exist: expected a folder of images or a list, relative to {}",
                            set_.name, split, printable(tried[0].native()), printable(set_.root.native())));
  }

  std::vector<ImagePath> images_of(const std::string& split, RawDataset& raw) {
    std::vector<ImagePath> images;
    folders_.clear();
    for (const std::string& said : set_.splits.at(split)) {
      const fs::path path = place(said, split);
      if (is_folder(path)) {
        const fs::path inside = below_root(path, said, set_.name);
        if (inside != ".") folders_.push_back(inside.string());
        for (const std::string& name : images_among(path, files_below(path, &passed_)))
          images.push_back({(inside / name).lexically_normal().string(), {}});
      } else {
        if (!path_below(set_.folder, path)) below_root(path, said, set_.name);  // a list may also lie beside data.yaml
        raw.files.push_back(printable(path.native()));
        read_list(path, static_cast<int32_t>(raw.files.size()) - 1, images);
      }
    }
    if (images.empty())
      throw Error(ErrorKind::Data, fmt::format("{}: {}: there are no images in {}", set_.name, split,
                                               printable(fmt::format("{}", fmt::join(set_.splits.at(split), ", ")))));
    Repeats repeats;
    std::erase_if(images, [&](const ImagePath& image) { return repeats.again(image.below_root); });
    if (repeats.count > 0)
      raw.warnings.push_back(fmt::format("{}: {}: {} images are listed more than once and kept once; the first: {}",
                                         set_.name, split, repeats.count, printable(repeats.first)));
    return images;
  }

  // `where`: the file, and line, that says so.
  fs::path below_root(const fs::path& path, const std::string& said, const std::string& where) const {
    if (const auto below = path_below(set_.root, path)) return *below;
    throw Error(ErrorKind::Data, fmt::format("{}: \"{}\" lies outside {} (set `path:` to a folder "
                                             "that holds all images)",
                                             where, printable(said), printable(set_.root.native())));
  }

  void read_list(const fs::path& list, int32_t file, std::vector<ImagePath>& images) {
    const auto bytes = read_file(list);
    int number = 0;
    for (const auto line : lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
      ++number;
      if (trimmed(line).empty()) continue;
      const std::string where = fmt::format("{}:{}", printable(list.native()), number);
      images.push_back({listed(list, std::string(line), where), {file, number}});
    }
  }

  std::string listed(const fs::path& list, const std::string& said, const std::string& where) {
    // "./" is the list's own folder, as for others that read this format; else the set's.
    const fs::path from = said.starts_with("./") ? list.parent_path() : set_.root;
    const fs::path path = (from / said).lexically_normal();
    if (is_there(path)) return below_root(path, said, where).string();
    for (const std::string& name : {said, std::string(trimmed(said))})
      if (const auto found = finder_.find(name)) return *found;
    return below_root(path, said, where).string();
  }

  // The file of labels of each image; empty where there is none.
  std::vector<std::string> labels_of(const std::string& split, const std::vector<ImagePath>& images, RawDataset& raw) {
    std::vector<YoloPlaces::Labels> found;
    size_t apart = 0;
    for (const ImagePath& image : images) {
      found.push_back(places_.find(image.below_root));
      apart += !found.back().apart.empty();
    }
    std::vector<std::string> labels;
    size_t without = 0, beside = 0, unread = 0;
    std::string first_without, first_beside, first_unread;
    for (size_t i = 0; i < images.size(); ++i) {
      auto& [in_labels, with_image] = found[i];
      const bool spare = !with_image.empty() && (!in_labels.empty() || (apart > 0 && !is_labels(with_image)));
      if (spare && unread++ == 0) first_unread = with_image;
      if (apart > 0 && in_labels.empty() && !with_image.empty() && !spare && beside++ == 0) first_beside = with_image;
      labels.push_back(in_labels.empty() && !spare ? with_image : in_labels);
      if (labels.back().empty() && without++ == 0) first_without = images[i].below_root;
    }
    const auto warn = [&](size_t count, const std::string& what, const std::string& first) {
      if (count > 0)
        raw.warnings.push_back(
            fmt::format("{}: {}: {} {}; the first: {}", set_.name, split, count, what, printable(first)));
    };
    warn(beside, "images have their labels beside them, not in the folder of labels; those are used", first_beside);
    warn(unread, "text files beside images are not read, as they are not the labels", first_unread);
    check_found(split, images.size(), without, first_without, raw);
    return labels;
  }

  bool is_labels(const std::string& file) const {
    const std::string text = beginning_if_readable(set_.root / file, 4096);
    return trimmed(text).empty() || looks_like_yolo_labels(text);
  }

  // Some images show nothing; but where most have no labels, these are elsewhere.
  void check_found(const std::string& split, size_t images, size_t without, const std::string& first, RawDataset& raw) {
    const auto where = [&] { return fmt::format("for {}: {}", printable(first), printable(places_.expected(first))); };
    if (without == images)
      throw Error(ErrorKind::Data, fmt::format("{}: {}: none of the {} images has a label file; looked for, {}",
                                               set_.name, split, images, where()));
    if (2 * without > images)
      raw.warnings.push_back(
          fmt::format("{}: {}: {} of {} images have no label file and count as images without "
                      "objects; looked for, {}",
                      set_.name, split, without, images, where()));
  }

  void add_image(RawDataset& raw, const ImagePath& path, const std::string& labels) {
    RawImage image{.id = static_cast<int64_t>(raw.images.size() + raw.bad_images.size()) + 1,
                   .file_name = path.below_root,
                   .width = 0,
                   .height = 0,
                   .origin = path.origin};
    if (!take_size_from_file(raw, image)) return;
    try {
      if (!labels.empty()) labels_.add(raw, image, set_.root / labels);
    } catch (const Error& error) {  // an image without its labels is as bad as labels without their image
      if (error.kind() != ErrorKind::Data) throw;
      raw.bad_images.push_back({image.file_name, error.what()});
      return;
    }
    raw.images.push_back(std::move(image));
  }

  // Labels that belong to no image of their folders, listed or not: an image that is missing, or called otherwise.
  void warn_of_lone_labels(const std::string& split, const std::vector<ImagePath>& images,
                           const std::vector<std::string>& labels, RawDataset& raw) {
    std::set<std::string> claimed(labels.begin(), labels.end()), folders, walked(folders_.begin(), folders_.end());
    for (const auto& [path, origin] : images) {
      folders.insert(folder_of(path));
      claimed.insert(fs::path(path).replace_extension(".txt").string());
    }
    folders.insert(walked.begin(), walked.end());
    for (const std::string& folder : folders)
      for (const std::string& name : files_in(set_.root / folder))
        if (has_image_ending(name)) {
          const auto [apart, beside] = places_.find((fs::path(folder) / name).string());
          claimed.insert(apart);
          claimed.insert(beside);
        }
    std::set<std::string> lone;
    for (const std::string& folder : folders) {
      for (const std::string& place : places_.label_folders(folder))
        for (const std::string& name :
             walked.contains(folder) ? files_below(set_.root / place, &passed_) : files_in(set_.root / place, &passed_))
          if (is_lone(fs::path(place) / name, claimed, false)) lone.insert((fs::path(place) / name).string());
      for (const std::string& name : files_in(set_.root / folder, &passed_))
        if (is_lone(fs::path(folder) / name, claimed, true)) lone.insert((fs::path(folder) / name).string());
    }
    if (!lone.empty())
      raw.warnings.push_back(fmt::format("{}: {} label files for {} have no image; the first: {}", set_.name,
                                         lone.size(), split, printable((set_.root / *lone.begin()).native())));
  }

  // `beside`: where other text files lie, too.
  bool is_lone(const fs::path& file, const std::set<std::string>& claimed, bool beside) const {
    const std::string name = file.filename().string();
    if (!has_ending(name, ".txt") || is_yolo_names_file(name) || claimed.contains(file.string())) return false;
    return !beside || looks_like_yolo_labels(beginning_if_readable(set_.root / file, 512));
  }

  YoloSet set_;
  std::vector<std::string> folders_;  // of images of the split, below the root
  FileFinder finder_;
  YoloPlaces places_;
  YoloLabels labels_;
};

bool is_yaml(const fs::path& path) {
  return has_ending(path.filename().native(), ".yaml") || has_ending(path.filename().native(), ".yml");
}

std::optional<YoloSet> set_at(const fs::path& path, bool doubled) {
  if (is_file(path)) {
    if (is_yaml(path)) return set_of_yaml(path, doubled);
    if (!has_ending(path.filename().native(), ".data")) return std::nullopt;
    return set_of_darknet(path, fs::absolute(path).parent_path(), doubled);
  }
  if (!is_folder(path)) return std::nullopt;
  if (const auto file = find_yolo_yaml(path)) return set_of_yaml(*file, doubled);
  if (const auto file = find_darknet(path)) return set_of_darknet(*file, path, doubled);
  return set_of_names(path, doubled);
}

}  // namespace

std::unique_ptr<DatasetReader> open_yolo(const fs::path& path, const LoadOptions& options) {
  auto set = set_at(path, options.merge_classes);
  if (!set) return nullptr;
  if (!options.images.empty())
    throw Error(ErrorKind::Usage, set->name +
                                      ": in YOLO's format this file says where the images are; no other folder of "
                                      "them can be named");
  return std::make_unique<YoloReader>(std::move(*set));
}

std::string yolo_labels_without_names(const fs::path& folder) {
  if (!is_folder(folder) || !find_yolo_names(folder).empty()) return "";
  const std::string labels = first_yolo_labels(folder);
  if (labels.empty()) return "";
  if (const auto yamls = yolo_yamls_below(folder); yamls.size() == 1)
    return printable(yamls[0].native()) + " describes a dataset: name its folder, or that file";
  else if (yamls.size() > 1)
    return fmt::format("{} and {}{} describe datasets: name one of them", printable(yamls[0].native()),
                       printable(yamls[1].native()),
                       yamls.size() > 2 ? fmt::format(" and {} more", yamls.size() - 2) : "");
  return fmt::format(
      "there are labels in YOLO's format ({}), but nothing names their classes: write classes.txt with a "
      "name a line, or data.yaml with the lines \"train: IMAGES\", \"val: IMAGES\" and \"names: [a, b]\"",
      printable(labels));
}

}  // namespace fovea
