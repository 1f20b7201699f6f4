#include "tools/data/formats/via.h"

#include <fmt/format.h>

#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/category_names.h"
#include "tools/data/formats/file_finder.h"
#include "tools/data/formats/split_names.h"
#include "tools/data/formats/via_json.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

class ViaReader : public DatasetReader {
 public:
  ViaReader(const fs::path& root, std::map<std::string, fs::path> files, fs::path images)
      : root_(root), files_(std::move(files)), images_(std::move(images)), finder_(images_, true) {}

  std::vector<std::string> splits() const override { return names_of(files_); }

 private:
  RawDataset read_split(const std::string& split) override {
    const fs::path& path = files_.at(split);
    RawDataset raw;
    raw.name = printable((root_ / path).native());
    raw.files = {raw.name};
    raw.image_root = images_;
    finder_ = FileFinder(images_, true);
    name_classes(raw);
    const ViaFile file = read_via(root_ / path);
    Repeats repeats;
    for (const ViaImage& image : file.images) {
      if (repeats.again(image.file_name))
        throw Error(ErrorKind::Data,
                    fmt::format("{}: the image {} is listed twice", raw.name, printable(image.file_name)));
      add_image(raw, split, path.parent_path(), image);
    }
    for (const auto& [kind, count] : file.left_out)
      raw.warnings.push_back(fmt::format("{}: {} regions of the kind {} have no area and are left out", raw.name, count,
                                         kind.empty() ? "(none)" : printable(kind)));
    if (file.of_several > 0)
      raw.warnings.push_back(
          fmt::format("{}: {} regions have several classes ticked, of which only the first is taken; the first: {}",
                      raw.name, file.of_several, file.first_of_several));
    for (const std::string& line : finder_.warnings(raw.name)) raw.warnings.push_back(line);
    move_to_root(raw, {"images/" + split + "/", split + "/images/", split + "/", "images/"});
    return raw;
  }

  // In the order of the alphabet, of all splits.
  void name_classes(RawDataset& raw) {
    if (names_.empty())
      for (const auto& [split, path] : files_)
        for (const ViaImage& image : read_via(root_ / path).images)
          for (const ViaObject& object : image.objects) names_.insert(object.name);
    label_ = number_categories(raw, names_);
  }

  void add_image(RawDataset& raw, const std::string& split, const fs::path& folder, const ViaImage& said) {
    RawImage image{.id = static_cast<int64_t>(raw.images.size() + raw.bad_images.size()) + 1,
                   .file_name = locate(raw, split, folder, said.file_name),
                   .width = 0,
                   .height = 0,
                   .origin = {0, said.objects.empty() ? 0 : said.objects[0].line}};
    if (!take_size_from_file(raw, image)) return;
    for (const ViaObject& object : said.objects)
      raw.objects.push_back(
          {.id = static_cast<int64_t>(raw.objects.size()) + 1,
           .image_id = image.id,
           .category_id = label_.at(object.name),
           .bbox = box_of_corners(object.corners[0], object.corners[1], object.corners[2], object.corners[3]),
           .area = std::nullopt,
           .crowd = false,
           .origin = {0, object.line}});
    raw.images.push_back(std::move(image));
  }

  std::string locate(const RawDataset& raw, const std::string& split, const fs::path& folder, const std::string& said) {
    const auto below = path_below(images_, said);
    if (!below && is_there(images_ / said))
      throw Error(ErrorKind::Data, fmt::format("{}: the image \"{}\" lies outside {}", raw.name, printable(said),
                                               printable(images_.native())));
    for (const fs::path& place :
         {folder, fs::path(), fs::path("images") / split, fs::path(split), fs::path("images"), folder / "images"})
      if (const auto found = finder_.find(below ? (place / *below).lexically_normal().string() : said)) return *found;
    return (folder / fs::path(below.value_or(said)).relative_path()).lexically_normal().string();
  }

  fs::path root_;
  std::map<std::string, fs::path> files_;
  fs::path images_;
  FileFinder finder_;
  std::set<std::string> names_;
  std::map<std::string, int64_t> label_;
};

bool may_be_via(const fs::path& file) {
  const std::string name = lower_case(file.filename().string());
  return (has_ending(name, ".json") || has_ending(name, ".csv")) && is_file(file) && looks_like_via(file);
}

// In the folder, the only one; in those of splits by their usual names, as these may hold many images.
std::map<std::string, fs::path> find_files(const fs::path& root) {
  std::map<std::string, fs::path> found;
  for (const std::string& split : folders_in(root)) {
    if (!is_split_name(split)) continue;
    for (const char* usual : {"via_region_data.json", "via_project.json", "via_export_json.json", "via_export_csv.csv",
                              "annotations.json", "via.json", "via_region_data.csv"})
      if (may_be_via(root / split / usual)) found.emplace(split, fs::path(split) / usual);
  }
  if (!found.empty()) return found;
  std::vector<std::string> here;
  for (const std::string& file : files_in(root))
    if (may_be_via(root / file)) here.push_back(file);
  for (const std::string& file : here) {
    const std::string stem = lower_case(fs::path(file).stem().string());
    for (const char* split : {"train", "val", "test"})
      if (here.size() > 1 && stem.find(split) != stem.npos) found.emplace(split, file);
  }
  if (here.size() == 1) found[kWholeSet] = here[0];
  return found;
}

}  // namespace

std::unique_ptr<DatasetReader> open_via(const fs::path& path, const LoadOptions& options) {
  if (is_file(path)) {
    if (!may_be_via(path)) return nullptr;
    const fs::path folder = fs::absolute(path).parent_path();
    return std::make_unique<ViaReader>(folder, std::map<std::string, fs::path>{{kWholeSet, path.filename()}},
                                       options.images.empty() ? folder : options.images);
  }
  if (!is_folder(path)) return nullptr;
  auto files = find_files(path);
  if (files.empty()) return nullptr;
  return std::make_unique<ViaReader>(path, std::move(files), options.images.empty() ? path : options.images);
}

}  // namespace fovea
