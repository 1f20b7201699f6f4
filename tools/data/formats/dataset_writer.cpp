#include "tools/data/formats/dataset_writer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/raw_dataset.h"
#include "tools/image/image_file.h"
#include "tools/text/advice.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

bool is_not_utf8(const std::string& name) { return find_invalid_utf8(name) != std::string::npos; }

bool breaks_lines(const std::string& name) {
  return name.find_first_of("\r\n") != name.npos || trimmed(name).size() != name.size();
}

std::vector<std::string> DatasetWriter::write() {
  refuse_names();
  for (const WritableSplit& split : set_.splits) {
    split_ = split.name;
    write_split(split);
  }
  write_classes();
  if (renamed_ > 0) note("{} images were renamed because their names clash; the first: {}", renamed_, first_renamed_);
  if (as_stored_ > 0)
    note("{} images are written as PNG: their boxes are of the pixels as stored, not as Exif turns them", as_stored_);
  if (crowds_ > 0) note("{} crowd or ignore regions are left out: this format has none", crowds_);
  if (areas_ > 0) note("{} objects lose the area of their mask: this format has boxes only", areas_);
  if (beyond_ > 0)
    note("{} boxes extend beyond their image and are written unchanged; other programs may reject them: {}", beyond_,
         advise(advice::kClipBoxes));
  return notes_;
}

void DatasetWriter::refuse(const char* why, bool images, IsBad bad) const {
  const auto check = [&](const char* what, const std::string& name) {
    if (bad(name)) throw Error(ErrorKind::Data, fmt::format("the {} \"{}\" {}: rename it", what, printable(name), why));
  };
  for (const Category& category : set_.categories) check("class", category.name);
  for (const WritableSplit& split : set_.splits)
    for (const WritableImage& image : split.images)
      if (images) check("image", image.sample.file_name);
}

void DatasetWriter::refuse_doubled_classes() const {
  std::set<std::string> names;
  for (const Category& category : set_.categories)
    if (!names.insert(category.name).second)
      throw Error(ErrorKind::Data,
                  fmt::format("two categories are called '{}': rename one, as this format distinguishes them by name",
                              printable(category.name)));
}

std::string DatasetWriter::place(const WritableImage& image, const std::string& folder, bool by_stem) {
  auto& taken = taken_[folder];
  const fs::path given(image.as_stored ? without_ending(image.sample.file_name) + ".png" : image.sample.file_name);
  std::string name = given.string();
  for (int i = 2;; ++i) {
    const std::string key = by_stem ? without_ending(name) : name;
    const auto [found, added] = taken.emplace(key, Placed{image.source.native(), split_});
    if (added) break;
    // One image in two splits is one file; the same file twice in a split is two images, each with its own boxes.
    if (found->second.source == image.source.native() && found->second.split != split_) return name;
    name =
        (given.parent_path() / (given.stem().string() + fmt::format("_{}", i) + given.extension().string())).string();
  }
  if (name != given && renamed_++ == 0) first_renamed_ = printable(image.sample.file_name);
  const fs::path target = out_ / folder / name;
  make_folder(target.parent_path());
  if (image.as_stored)
    write_as_stored(image, target);
  else
    put(image.source, target);
  if (options_.progress) options_.progress();
  return name;
}

std::array<double, 4> DatasetWriter::box_of(const Object& object, const Sample& sample) {
  const auto [x, y, w, h] = object.bbox;
  if (x >= 0 && y >= 0 && x + w <= sample.width && y + h <= sample.height) return object.bbox;
  if (!options_.clip) {
    ++beyond_;
    return object.bbox;
  }
  const double x1 = std::max(0.0, x), y1 = std::max(0.0, y);
  return box_of_corners(x1, y1, std::min<double>(sample.width, x + w), std::min<double>(sample.height, y + h));
}

std::array<double, 4> DatasetWriter::corners_of(const Object& object, const Sample& sample) {
  const auto [x, y, w, h] = box_of(object, sample);
  return {x, y, x + w, y + h};
}

bool DatasetWriter::takes(const Object& object, bool takes_crowds) {
  if (object.crowd && !takes_crowds) {
    ++crowds_;
    return false;
  }
  areas_ += std::abs(object.area - object.bbox[2] * object.bbox[3]) > 1e-6 * object.area ? 1 : 0;
  return true;
}

// Other programs, and formats without sizes, would turn the file and not the boxes.
void DatasetWriter::write_as_stored(const WritableImage& image, const fs::path& target) {
  ++as_stored_;
  write_png(target,
            read_image(image.source, {.annotated_width = image.sample.width, .annotated_height = image.sample.height}));
}

void DatasetWriter::put(const fs::path& source, const fs::path& target) const {
  std::error_code failure;
  if (!options_.copy) {
    fs::create_hard_link(fs::canonical(source, failure), target, failure);
    if (!failure) return;
  }
  // Not by std::filesystem, which takes a full disk for an input/output error.
  const FileHandle from = open_file(source);
  NewFile to(target);
  std::vector<uint8_t> part(1 << 20);
  while (const size_t read = std::fread(part.data(), 1, part.size(), from.get())) to.write(std::span(part).first(read));
  if (std::ferror(from.get()) != 0)
    throw Error(ErrorKind::Data, fmt::format("{}: cannot be read completely", printable(source.native())));
  to.keep();
}

bool is_empty_folder(const fs::path& folder) {
  std::error_code failure;
  return is_folder(folder) && fs::directory_iterator(folder, failure) == fs::directory_iterator() && !failure;
}

std::vector<std::string> write_dataset(const WritableSet& set, DatasetFormat format, const fs::path& out,
                                       const WriteOptions& options) {
  if (is_there(out) && !is_empty_folder(out))
    throw Error(ErrorKind::Usage, fmt::format("{}: is not empty: choose a new folder", printable(out.native())));
  make_folder(out);
  MakeWriter* const make = format == DatasetFormat::Coco  ? coco_writer
                           : format == DatasetFormat::Voc ? voc_writer
                           : format == DatasetFormat::Csv ? csv_writer
                                                          : yolo_writer;
  return make(set, out, options)->write();
}

}  // namespace fovea
