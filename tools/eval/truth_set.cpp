#include "tools/eval/truth_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>

#include "kernels/error.h"
#include "tools/data/bad_files.h"
#include "tools/data/formats/coco_json.h"

namespace fovea {
namespace {

std::string of_file(const RawDataset& raw, const std::string& what) { return raw.name + ": " + what; }

// Annotations of images or categories that are not listed do not take part, as in pycocotools.
void drop_unknown(RawDataset& raw) {
  std::unordered_set<int64_t> images, categories;
  for (const RawImage& image : raw.images) images.insert(image.id);
  for (const Category& category : raw.categories) categories.insert(category.id);
  const size_t count = raw.objects.size();
  std::vector<std::string> examples;
  const auto unknown = [&](const RawObject& found) {
    const bool image = !images.contains(found.image_id), category = !categories.contains(found.category_id);
    if ((image || category) && examples.size() < 10)
      examples.push_back(fmt::format("annotation {}: unknown {} {}", *found.id, image ? "image" : "category",
                                     image ? found.image_id : found.category_id));
    return image || category;
  };
  const size_t dropped = std::erase_if(raw.objects, unknown);
  if (dropped == 0) return;
  const std::string text =
      fmt::format("{} of {} annotations refer to an unknown image or category{}:\n  {}", dropped, count,
                  dropped > examples.size() ? "; the first ten" : "", fmt::join(examples, "\n  "));
  if (static_cast<double>(dropped) > largest_bad_share * static_cast<double>(count))
    throw Error(ErrorKind::Data, of_file(raw, fmt::format("more than {:g} %: {}", 100 * largest_bad_share, text)));
  raw.warnings.push_back(of_file(raw, "left out: " + text));
}

void warn(RawDataset& raw, int64_t count, const char* what) {
  if (count > 0) raw.warnings.push_back(of_file(raw, fmt::format("{} annotations {}", count, what)));
}

}  // namespace

GroundTruth ground_truth(const RawObject& object) {
  const auto [x, y, w, h] = object.bbox;
  return {object.image_id, object.category_id, x, y, w, h, object.area.value_or(w * h), object.crowd, *object.id};
}

std::vector<GroundTruth> ground_truth(const Dataset& dataset) {
  std::vector<GroundTruth> objects;
  for (const Sample& sample : dataset.samples) {
    for (const Object& object : sample.objects) {
      const auto [x, y, w, h] = object.bbox;
      objects.push_back(
          {sample.id, dataset.categories[object.label].id, x, y, w, h, object.area, object.crowd, object.id});
    }
  }
  return objects;
}

TruthSet truth_of(const Dataset& dataset) {
  TruthSet truth{.categories = dataset.categories, .objects = ground_truth(dataset), .image_root = dataset.image_root};
  for (const Sample& sample : dataset.samples)
    truth.images.push_back({sample.id, sample.file_name, sample.width, sample.height});
  return truth;
}

TruthSet read_coco_truth(const std::filesystem::path& path) {
  RawDataset raw = read_coco_file(path, CocoUse::Evaluation);
  const auto without_area =
      std::count_if(raw.objects.begin(), raw.objects.end(), [](const RawObject& o) { return !o.area; });
  drop_unknown(raw);
  warn(raw, without_area, "have no area: width x height is used");
  warn(raw, raw.without_crowd, "have no iscrowd: they count as objects");
  TruthSet truth{.categories = std::move(raw.categories),
                 .image_words = std::move(raw.image_words),
                 .category_words = std::move(raw.category_words),
                 .warnings = std::move(raw.warnings)};
  for (RawImage& image : raw.images)
    truth.images.push_back({image.id, std::move(image.file_name), image.width, image.height});
  truth.objects.reserve(raw.objects.size());
  for (const RawObject& object : raw.objects) truth.objects.push_back(ground_truth(object));
  std::sort(truth.categories.begin(), truth.categories.end(), [](auto& a, auto& b) { return a.id < b.id; });
  return truth;
}

}  // namespace fovea
