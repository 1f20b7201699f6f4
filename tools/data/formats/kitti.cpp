#include "tools/data/formats/kitti.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/split_names.h"
#include "tools/data/formats/stem_index.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

constexpr size_t kNumbers = 15, kWithScore = 16, kBoxAt = 4;
constexpr std::string_view kIgnored = "dontcare";

// Paths below the root.
struct Pair {
  fs::path images, labels;
};

struct KittiSet {
  std::map<std::string, Pair> folders;    // by split
  std::map<std::string, fs::path> lists;  // of names of images, each of the only folder
};

struct KittiObject {
  std::string type;
  std::array<double, 4> corners;
  int line;
};

std::vector<KittiObject> read_labels(const fs::path& file, std::vector<std::string>& warnings) {
  const TextFile read = read_text_file(file);
  if (!read.warning.empty()) warnings.push_back(read.warning);
  std::vector<KittiObject> objects;
  int number = 0;
  for (const auto line : lines_of(read.text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    const auto fail = [&](const std::string& why) {
      return Error(ErrorKind::Data, fmt::format("{}:{}: {}", printable(file.native()), number, why));
    };
    if (words.size() == kWithScore)
      throw fail(
          "has 16 words, expected 15: the last one looks like a score, which results of a detector have, not "
          "labels");
    if (words.size() != kNumbers)
      throw fail(
          fmt::format("has {} words, expected 15: type, truncated, occluded, alpha, x1, y1, x2, y2, and 7 numbers "
                      "on the place in space",
                      words.size()));
    KittiObject object{.type = std::string(words[0]), .corners = {}, .line = number};
    for (size_t i = 1; i < words.size(); ++i) {
      const auto value = parse_number(words[i]);
      if (!value) throw fail(fmt::format("expected a number, found \"{}\"", excerpt(words[i])));
      if (i >= kBoxAt && i < kBoxAt + 4) object.corners[i - kBoxAt] = *value;
    }
    objects.push_back(std::move(object));
  }
  return objects;
}

// Labels, not a detector's results.
bool is_labels(const fs::path& file) {
  const std::string start = beginning_of(file, 1024);
  const std::string_view text = trimmed(start);
  return looks_like_kitti_labels(text) && words_of(text.substr(0, text.find('\n'))).size() == kNumbers;
}

class KittiReader : public DatasetReader {
 public:
  KittiReader(const fs::path& root, KittiSet set) : root_(root), set_(std::move(set)) {}

  std::vector<std::string> splits() const override {
    return set_.lists.empty() ? names_of(set_.folders) : names_of(set_.lists);
  }

  Sources sources() override {
    Sources sources{
        .folders = {}, .files = {}, .endings = {".txt"}, .is_annotations = is_labels, .one_per_image = true};
    for (const auto& [split, folders] : set_.folders)
      sources.folders.insert(sources.folders.end(), {root_ / folders.images, root_ / folders.labels});
    return sources;
  }

 private:
  RawDataset read_split(const std::string& split) override {
    RawDataset raw;
    const Pair& folders = set_.lists.empty() ? set_.folders.at(split) : set_.folders.begin()->second;
    raw.name = printable((root_ / folders.labels).native());
    raw.image_root = root_ / folders.images;
    name_classes(raw);
    const auto images = images_of(split, folders);
    const auto is_text = [](const fs::path& name) { return has_ending(name.native(), ".txt"); };
    const StemIndex labels(root_ / folders.labels, is_text, &passed_);
    std::set<std::string> claimed, stems;
    for (const std::string& name : images) stems.insert(without_ending(name));
    size_t without = 0;
    std::string first;
    for (const std::string& name : images) {
      auto own = labels.find(without_ending(name));
      if (own && without_ending(*own) != without_ending(name) && stems.contains(without_ending(*own)))
        own.reset();  // which is that of another image
      if (!own && without++ == 0) first = without_ending(name) + ".txt";
      if (own) claimed.insert(*own);
      add_image(raw, name, own ? root_ / folders.labels / *own : fs::path());
    }
    if (without > 0)
      raw.warnings.push_back(
          fmt::format("{}: {} of {} images have no label file and count as images without objects; "
                      "the first: {}",
                      raw.name, without, images.size(), printable(first)));
    if (set_.lists.empty()) warn_of_lone_labels(raw, labels, claimed);
    return raw;
  }

  std::vector<std::string> images_of(const std::string& split, const Pair& folders) {
    std::vector<std::string> names;
    std::map<std::string, std::string> by_stem;
    for (const std::string& name : images_among(root_ / folders.images, files_in(root_ / folders.images, &passed_))) {
      names.push_back(name);
      by_stem[fs::path(name).stem().string()] = name;
    }
    if (set_.lists.empty()) return names;
    names.clear();
    const fs::path list = root_ / set_.lists.at(split);
    const std::string text = read_text_file(list).text;
    int number = 0;
    for (const auto line : lines_of(text)) {
      ++number;
      const std::string stem = fs::path(trimmed(line)).stem().string();
      if (stem.empty()) continue;
      const auto found = by_stem.find(stem);
      if (found == by_stem.end())
        throw Error(ErrorKind::Data, fmt::format("{}:{}: there is no image {} in {}", printable(list.native()), number,
                                                 printable(stem), printable((root_ / folders.images).native())));
      names.push_back(found->second);
    }
    return names;
  }

  // In the order of the alphabet, of all splits.
  void name_classes(RawDataset& raw) {
    if (types_.empty())
      for (const auto& [split, folders] : set_.folders)
        for (const std::string& name : files_in(root_ / folders.labels, &passed_)) {
          if (!has_ending(name, ".txt")) continue;
          for (const std::string& type : types_in(root_ / folders.labels / name)) types_.insert(type);
        }
    for (const std::string& type : types_)
      raw.categories.push_back({static_cast<int64_t>(raw.categories.size()), type});
  }

  // None of a file that cannot be read, which its image is left out for.
  std::set<std::string> types_in(const fs::path& labels) {
    std::set<std::string> types;
    try {
      for (const KittiObject& object : read_labels(labels, ignored_warnings_))
        if (lower_case(object.type) != kIgnored) types.insert(object.type);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Data) throw;
    }
    return types;
  }

  void add_image(RawDataset& raw, const std::string& name, const fs::path& labels) {
    RawImage image{.id = static_cast<int64_t>(raw.images.size() + raw.bad_images.size()) + 1,
                   .file_name = name,
                   .width = 0,
                   .height = 0,
                   .origin = {}};
    if (!take_size_from_file(raw, image)) return;
    if (!labels.empty()) {
      raw.files.push_back(printable(labels.native()));
      try {
        for (const KittiObject& object : read_labels(labels, raw.warnings)) add_object(raw, image, object);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::Data) throw;
        raw.bad_images.push_back({name, error.what()});
        return;
      }
    }
    raw.images.push_back(std::move(image));
  }

  // A region to ignore is one for every class.
  void add_object(RawDataset& raw, const RawImage& image, const KittiObject& object) const {
    const bool ignored = lower_case(object.type) == kIgnored;
    const auto [x1, y1, x2, y2] = object.corners;
    for (const Category& category : raw.categories) {
      if (!ignored && category.name != object.type) continue;
      raw.objects.push_back({.id = static_cast<int64_t>(raw.objects.size()) + 1,
                             .image_id = image.id,
                             .category_id = category.id,
                             .bbox = box_of_corners(x1, y1, snapped(x2), snapped(y2)),
                             .area = std::nullopt,
                             .crowd = ignored,
                             .origin = {static_cast<int32_t>(raw.files.size()) - 1, object.line}});
    }
  }

  static void warn_of_lone_labels(RawDataset& raw, const StemIndex& labels, const std::set<std::string>& claimed) {
    size_t lone = 0;
    std::string first;
    for (const auto& [stem, name] : labels.files())
      if (!claimed.contains(name) && lone++ == 0) first = name;
    if (lone > 0)
      raw.warnings.push_back(
          fmt::format("{}: {} label files have no image; the first: {}", raw.name, lone, printable(first)));
  }

  fs::path root_;
  KittiSet set_;
  std::set<std::string> types_;
  std::vector<std::string> ignored_warnings_;
};

// The folders of images and of KITTI's labels in `place`; none where there are none.
std::optional<Pair> pair_in(const fs::path& root, const fs::path& place) {
  constexpr std::array<std::array<const char*, 2>, 4> names{
      {{"image_2", "label_2"}, {"images", "labels"}, {"image", "label"}, {"Images", "Labels"}}};
  for (const auto& [images, labels] : names) {
    if (!is_folder(root / place / images) || !is_folder(root / place / labels)) continue;
    for (const std::string& file : files_in(root / place / labels)) {
      const fs::path path = root / place / labels / file;
      const std::string text = has_ending(file, ".txt") ? beginning_if_readable(path, 1024) : "";
      if (text.empty()) continue;
      if (!looks_like_kitti_labels(text)) break;
      return Pair{place / images, place / labels};
    }
  }
  return std::nullopt;
}

// The list of the benchmark's own test images names none that has labels.
bool lists_labels(const fs::path& list, const fs::path& labels) {
  const std::string start = beginning_if_readable(list, 4096);
  const auto lines = lines_of(start);
  return !lines.empty() && is_there(labels / fs::path(trimmed(lines[0])).stem().concat(".txt"));
}

}  // namespace

bool looks_like_kitti_labels(std::string_view text) {
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    if (words.empty()) continue;
    return (words.size() == kNumbers || words.size() == kWithScore) && !parse_number(words[0]) &&
           std::all_of(words.begin() + 1, words.end(), [](auto word) { return parse_number(word).has_value(); });
  }
  return false;
}

std::unique_ptr<DatasetReader> open_kitti(const fs::path& root, const LoadOptions& options) {
  if (!is_folder(root)) return nullptr;
  KittiSet set;
  for (const std::string& split : folders_in(root))
    if (is_split_name(split))
      if (const auto pair = pair_in(root, split)) set.folders[split] = *pair;
  if (set.folders.empty())
    if (const auto pair = pair_in(root, "")) set.folders[kWholeSet] = *pair;
  if (set.folders.empty()) return nullptr;
  if (!options.images.empty())
    throw Error(ErrorKind::Usage, fmt::format("{}: in KITTI's format images lie beside the labels; no other folder of "
                                              "them can be named",
                                              printable(root.native())));
  if (set.folders.size() > 1) return std::make_unique<KittiReader>(root, std::move(set));
  for (const std::string& file : files_in(root / "ImageSets"))
    if (has_ending(file, ".txt") && lists_labels(root / "ImageSets" / file, root / set.folders.begin()->second.labels))
      set.lists[fs::path(file).stem().string()] = fs::path("ImageSets") / file;
  if (set.folders.contains("training")) {  // that of the benchmark, whose testing/ has no labels
    const Pair pair = set.folders["training"];
    set.folders = {{kWholeSet, pair}};
  }
  return std::make_unique<KittiReader>(root, std::move(set));
}

}  // namespace fovea
