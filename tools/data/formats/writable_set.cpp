#include "tools/data/formats/writable_set.h"

#include <fmt/format.h>

#include <map>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_size.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

std::vector<Category> union_of_categories(const std::vector<Dataset>& splits) {
  std::map<int64_t, std::string> by_id;
  for (const Dataset& split : splits) {
    for (const Dataset& other : splits) {
      const auto conflict = category_conflict(other.split, other.categories, split.split, split.categories);
      if (!conflict.empty()) throw Error(ErrorKind::Data, conflict);
    }
    for (const Category& category : split.categories) by_id.emplace(category.id, category.name);
  }
  std::vector<Category> all;
  for (const auto& [id, name] : by_id) all.push_back({id, name});
  return all;
}

bool is_usable(WritableImage& image, BadFiles& bad_files) {
  const fs::path& path = image.source;
  const Sample& sample = image.sample;
  try {
    const ImageSize size = read_image_size(path, {sample.width, sample.height});
    image.as_stored = size.as_stored;
    if (size.width == sample.width && size.height == sample.height) return true;
    bad_files.add(sample.file_name,
                  fmt::format("{}: the image is {}x{}, the annotations say {}x{}", printable(sample.file_name),
                              size.width, size.height, sample.width, sample.height));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    bad_files.add(sample.file_name, error.what());
  }
  return false;
}

}  // namespace

WritableSet gather(std::vector<Dataset> splits, BadFiles& bad_files, const std::function<void(int64_t)>& progress) {
  WritableSet set{.categories = union_of_categories(splits), .splits = {}};
  std::map<int64_t, int> label_of;
  for (const Category& category : set.categories) label_of.emplace(category.id, static_cast<int>(label_of.size()));
  int64_t done = 0;
  for (Dataset& split : splits) {
    add_bad_images(bad_files, split);
    WritableSplit out{.name = split.split, .images = {}};
    for (Sample& sample : split.samples) {
      WritableImage image{
          .source = split.image_root / sample.file_name, .as_stored = false, .sample = std::move(sample)};
      if (progress) progress(++done);
      if (!is_usable(image, bad_files)) continue;
      image.sample.file_name = fs::path(image.sample.file_name).lexically_normal().string();
      for (Object& object : image.sample.objects)
        object.label = label_of.at(split.categories[static_cast<size_t>(object.label)].id);
      out.images.push_back(std::move(image));
    }
    set.splits.push_back(std::move(out));
    split.samples = {};
  }
  return set;
}

}  // namespace fovea
