#include "tools/data/formats/yolo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/yolo_yaml.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

class YoloReader : public DatasetReader {
 public:
  explicit YoloReader(const fs::path& yaml_file)
      : yaml_file_(yaml_file), name_(printable(yaml_file.native())), yaml_(read_yolo_yaml(yaml_file)) {
    folder_ = fs::absolute(yaml_file).parent_path().lexically_normal();
    // The folder that it was made in is often not the one that it lies in now.
    if (const fs::path said = (folder_ / yaml_.path).lexically_normal(); !yaml_.path.empty() && is_folder(said))
      root_ = said;
    else
      root_ = folder_;
  }

  std::vector<std::string> splits() const override { return names_of(yaml_.splits); }

  RawDataset read_split(const std::string& split) override {
    RawDataset raw;
    raw.name = name_;
    raw.categories = yaml_.categories;
    raw.image_root = root_;
    polygons_ = 0;
    const auto images = images_of(split, raw);
    for (const auto& [path, origin] : images) add_image(raw, path, origin);
    warn_of_lone_labels(split, images, raw);
    if (polygons_ > 0)
      raw.warnings.push_back(
          fmt::format("{}: {} labels of {} are polygons; their bounding boxes are used", name_, polygons_, split));
    move_to_root(raw, {"images/" + split + "/", split + "/images/", split + "/", "images/"});
    return raw;
  }

 private:
  struct ImagePath {
    std::string below_root;
    Origin origin;
  };

  // Paths start from the set's folder, or from the YAML file's; Roboflow writes ../train/images for train/images.
  fs::path place(const std::string& said, const std::string& split) const {
    std::vector<fs::path> tried{root_ / said, folder_ / said};
    if (said.starts_with("../")) tried.push_back(folder_ / said.substr(3));
    for (const fs::path& path : tried)
      if (is_there(path)) return path.lexically_normal();
    throw Error(ErrorKind::Data,
                fmt::format("{}: {}: {} does not exist: expected a folder of images or a list, relative to {}", name_,
                            split, printable(tried[0].native()), printable(root_.native())));
  }

  std::vector<ImagePath> images_of(const std::string& split, RawDataset& raw) {
    std::vector<ImagePath> images;
    for (const std::string& said : yaml_.splits.at(split)) {
      const fs::path path = place(said, split);
      if (is_folder(path)) {
        const fs::path inside = below_root(path, said, name_);
        for (const std::string& name : files_below(path, &hidden_))
          if (has_image_ending(name)) images.push_back({(inside / name).lexically_normal().string(), {}});
      } else {
        if (!path_below(folder_, path)) below_root(path, said, name_);  // a list may also lie beside the YAML file
        raw.files.push_back(printable(path.native()));
        read_list(path, static_cast<int32_t>(raw.files.size()) - 1, images);
      }
    }
    if (images.empty())
      throw Error(ErrorKind::Data, fmt::format("{}: {}: there are no images in {}", name_, split,
                                               printable(fmt::format("{}", fmt::join(yaml_.splits.at(split), ", ")))));
    Repeats repeats;
    std::erase_if(images, [&](const ImagePath& image) { return repeats.again(image.below_root); });
    if (repeats.count > 0)
      raw.warnings.push_back(fmt::format("{}: {}: {} images are listed more than once and kept once; the first: {}",
                                         name_, split, repeats.count, printable(repeats.first)));
    return images;
  }

  // `where`: the file, and line, that says so.
  fs::path below_root(const fs::path& path, const std::string& said, const std::string& where) const {
    if (const auto below = path_below(root_, path)) return *below;
    throw Error(ErrorKind::Data, fmt::format("{}: \"{}\" lies outside {} (set `path:` to a folder "
                                             "that holds all images)",
                                             where, printable(said), printable(root_.native())));
  }

  void read_list(const fs::path& list, int32_t file, std::vector<ImagePath>& images) const {
    const auto bytes = read_file(list);
    int number = 0;
    for (const auto line : lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
      ++number;
      if (trimmed(line).empty()) continue;
      const fs::path said(line);
      // "./" is the list's own folder, as for others that read this format; else the set's.
      const fs::path from = line.starts_with("./") ? list.parent_path() : root_;
      const std::string where = fmt::format("{}:{}", printable(list.native()), number);
      images.push_back(
          {below_root((from / said).lexically_normal(), std::string(line), where).string(), {file, number}});
    }
  }

  static fs::path labels_of(const std::string& image) {
    std::string path = "/" + image;
    constexpr std::string_view images = "/images/";
    if (const size_t at = path.rfind(images); at != path.npos) path.replace(at, images.size(), "/labels/");
    return fs::path(path.substr(1)).replace_extension(".txt");
  }

  void add_image(RawDataset& raw, const std::string& path, Origin origin) {
    RawImage image{.id = static_cast<int64_t>(raw.images.size() + raw.bad_images.size()) + 1,
                   .file_name = path,
                   .width = 0,
                   .height = 0,
                   .origin = origin};
    if (!take_size_from_file(raw, image)) return;
    const fs::path labels = root_ / labels_of(path);
    if (is_there(labels)) read_labels(raw, image, labels);
    raw.images.push_back(std::move(image));
  }

  // Where images are those of a folder, one that is missing shows by its labels alone.
  void warn_of_lone_labels(const std::string& split, const std::vector<ImagePath>& images, RawDataset& raw) const {
    std::set<std::string> with_image, folders;
    for (const auto& [path, origin] : images) {
      const fs::path labels = labels_of(path);
      with_image.insert(labels.string());
      const bool apart = labels.parent_path() != fs::path(path).parent_path();  // beside images lie other files, too
      if (origin.file < 0 && apart) folders.insert(labels.parent_path().string());
    }
    size_t lone = 0;
    std::string first;
    for (const std::string& folder : folders)
      for (const std::string& name : files_in(root_ / folder))
        if (has_ending(name, ".txt") && name != "classes.txt" &&
            !with_image.contains((folder / fs::path(name)).string()))
          if (lone++ == 0) first = (root_ / folder / name).string();
    if (lone > 0)
      raw.warnings.push_back(
          fmt::format("{}: {} label files for {} have no image; the first: {}", name_, lone, split, printable(first)));
  }

  void read_labels(RawDataset& raw, const RawImage& image, const fs::path& file) {
    raw.files.push_back(printable(file.native()));
    const Origin origin{static_cast<int32_t>(raw.files.size()) - 1, 0};
    const auto bytes = read_file(file);
    int number = 0;
    for (const auto line : lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
      ++number;
      const auto words = words_of(line);
      if (!words.empty()) raw.objects.push_back(object(raw, image, words, {origin.file, number}));
    }
  }

  RawObject object(const RawDataset& raw, const RawImage& image, const std::vector<std::string_view>& words,
                   Origin origin) {
    const auto fail = [&](const std::string& why) -> Error {
      return {ErrorKind::Data, fmt::format("{}:{}: {}", raw.files[static_cast<size_t>(origin.file)], origin.line, why)};
    };
    constexpr size_t box = 5, triangle = 7;
    const bool polygon = words.size() >= triangle && words.size() % 2 == 1;
    if (words.size() != box && !polygon)
      throw fail(fmt::format("has {} numbers, expected 5: class, center x, center y, width, height", words.size()));
    const auto label = parse_integer(words[0]);
    if (!label) throw fail(fmt::format("expected a class number, found \"{}\"", excerpt(words[0])));
    std::vector<double> numbers;
    for (size_t i = 1; i < words.size(); ++i) {
      const auto number = parse_number(words[i]);
      if (!number) throw fail(fmt::format("expected a number, found \"{}\"", excerpt(words[i])));
      numbers.push_back(*number);
    }
    polygons_ += polygon ? 1 : 0;
    return {.id = static_cast<int64_t>(raw.objects.size()) + 1,
            .image_id = image.id,
            .category_id = *label,
            .bbox = polygon ? box_of_polygon(numbers, image) : box_of_center(numbers, image),
            .area = std::nullopt,
            .crowd = false,
            .origin = origin};
  }

  static std::array<double, 4> box_of_center(const std::vector<double>& n, const RawImage& image) {
    return {snapped((n[0] - n[2] / 2) * image.width), snapped((n[1] - n[3] / 2) * image.height),
            snapped(n[2] * image.width), snapped(n[3] * image.height)};
  }

  static std::array<double, 4> box_of_polygon(const std::vector<double>& n, const RawImage& image) {
    if (!std::all_of(n.begin(), n.end(), [](double number) { return std::isfinite(number); }))
      return box_of_center({std::nan(""), 0, 0, 0}, image);
    std::array<double, 4> corners{n[0], n[1], n[0], n[1]};
    for (size_t i = 0; i < n.size(); i += 2) {
      corners = {std::min(corners[0], n[i]), std::min(corners[1], n[i + 1]), std::max(corners[2], n[i]),
                 std::max(corners[3], n[i + 1])};
    }
    return box_of_corners(snapped(corners[0] * image.width), snapped(corners[1] * image.height),
                          snapped(corners[2] * image.width), snapped(corners[3] * image.height));
  }

  fs::path yaml_file_, folder_, root_;
  std::string name_;
  YoloYaml yaml_;
  int64_t polygons_ = 0;
};

}  // namespace

std::unique_ptr<DatasetReader> open_yolo(const fs::path& path, const LoadOptions& /*options*/) {
  if (fs::is_regular_file(path))
    return has_ending(path.native(), ".yaml") || has_ending(path.native(), ".yml") ? std::make_unique<YoloReader>(path)
                                                                                   : nullptr;
  const auto file = fs::is_directory(path) ? find_yolo_yaml(path) : std::nullopt;
  return file ? std::make_unique<YoloReader>(*file) : nullptr;
}

}  // namespace fovea
