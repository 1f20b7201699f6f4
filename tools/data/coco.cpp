#include "tools/data/coco.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "kernels/error.h"
#include "tools/data/coco_json.h"
#include "tools/data/file.h"

namespace fovea {
namespace {

using IndexById = std::unordered_map<int64_t, int>;

class CocoLoader {
 public:
  CocoLoader(const std::filesystem::path& json, const std::filesystem::path& image_root, const std::string& split,
             const LoadOptions& options)
      : name_(printable(json.native())), options_(options), file_(read_coco_file(json)) {
    dataset_.split = split;
    dataset_.image_root = image_root;
  }

  Dataset load() {
    take_categories();
    take_images();
    renumber_annotations_if_needed();
    for (size_t i = 0; i < file_.annotations.size(); ++i) take_annotation(i);
    check_and_count();
    return std::move(dataset_);
  }

 private:
  template <class... Args>
  Error fail(fmt::format_string<Args...> format, Args&&... args) const {
    return {ErrorKind::Data, fmt::format("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...))};
  }

  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    dataset_.report.warnings.push_back(fmt::format("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...)));
  }

  // Where each id stands. Doubled ids would make annotations ambiguous, so they are refused.
  template <class List>
  IndexById index_ids(const List& list, const char* list_name) {
    IndexById index;
    int64_t odd = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      const auto [first, added] = index.emplace(list[i].id, static_cast<int>(i));
      if (!added)
        throw fail("{}[{}].id: {} is already the id of {}[{}]", list_name, i, list[i].id, list_name, first->second);
      odd += list[i].id <= 0;
    }
    if (list.empty()) throw fail("{}: the list is empty", list_name);
    if (odd)
      warn("{}: {} of the ids are 0 or negative; they are kept as they are, some programs mistake them", list_name,
           odd);
    return index;
  }

  void take_categories() {
    index_ids(file_.categories, "categories");
    dataset_.categories = std::move(file_.categories);
    std::sort(dataset_.categories.begin(), dataset_.categories.end(), [](auto& a, auto& b) { return a.id < b.id; });
    for (size_t label = 0; label < dataset_.categories.size(); ++label)
      label_[dataset_.categories[label].id] = static_cast<int>(label);
  }

  void take_images() {
    sample_ = index_ids(file_.images, "images");
    dataset_.samples.reserve(file_.images.size());
    for (CocoImage& image : file_.images) {
      check_file_name(image);
      dataset_.samples.push_back({image.id, std::move(image.file_name), image.width, image.height, {}});
    }
  }

  void check_file_name(const CocoImage& image) const {
    const std::filesystem::path path(image.file_name);
    const bool leaves = path.is_absolute() || *path.lexically_normal().begin() == "..";
    const bool is_folder = !path.has_filename() || path.filename() == "." || path.filename() == "..";
    if (leaves || is_folder || image.file_name.find('\0') != std::string::npos) {
      throw fail("image {}: the file name \"{}\" is refused: expected a path inside the image folder", image.id,
                 printable(image.file_name));
    }
  }

  // Annotation ids name nothing else, so bad ones (some programs take 0 for "none") can be replaced; images keep
  // theirs.
  void renumber_annotations_if_needed() {
    std::unordered_set<int64_t> seen;
    size_t bad = 0, first_bad = 0;
    for (size_t i = 0; i < file_.annotations.size(); ++i) {
      const auto& id = file_.annotations[i].id;
      if (id && *id > 0 && seen.insert(*id).second) continue;
      if (bad++ == 0) first_bad = i;
    }
    if (bad == 0) return;
    for (size_t i = 0; i < file_.annotations.size(); ++i) file_.annotations[i].id = static_cast<int64_t>(i) + 1;
    warn(
        "annotations: {} ids are missing, doubled, not positive, or no integers below 2^53 (the first: "
        "annotations[{}].id): "
        "all annotations are renumbered 1…{}",
        bad, first_bad, file_.annotations.size());
  }

  void take_annotation(size_t i) {
    const CocoAnnotation& annotation = file_.annotations[i];
    const auto sample = sample_.find(annotation.image_id);
    const auto label = label_.find(annotation.category_id);
    if (sample == sample_.end() || label == label_.end()) {
      if (dataset_.report.unknown_references++ < 10) {
        const bool image = sample == sample_.end();
        dataset_.report.unknown_examples.push_back(fmt::format("annotations[{}] (id {}): unknown {} {}", i,
                                                               *annotation.id, image ? "image" : "category",
                                                               image ? annotation.image_id : annotation.category_id));
      }
      return;
    }
    add_object(dataset_.samples[sample->second], annotation, label->second);
  }

  void add_object(Sample& sample, const CocoAnnotation& annotation, int label) {
    const auto [x, y, w, h] = annotation.bbox;
    const double x1 = std::max(0.0, x), y1 = std::max(0.0, y);
    const double x2 = std::min<double>(sample.width, x + w), y2 = std::min<double>(sample.height, y + h);
    const Object object{
        static_cast<float>(x1), static_cast<float>(y1),          static_cast<float>(x2), static_cast<float>(y2), label,
        annotation.crowd,       annotation.area.value_or(w * h), *annotation.id,         annotation.bbox};
    const std::string fault = fault_of(annotation, object);
    if (!fault.empty()) return add_bad_box(sample, annotation, fault);
    if (x < 0 || y < 0 || x + w > sample.width || y + h > sample.height) ++dataset_.report.clipped_boxes;
    sample.objects.push_back(object);
  }

  static std::string fault_of(const CocoAnnotation& annotation, const Object& clipped) {
    if (annotation.bbox_numbers != 4)
      return fmt::format("has {} numbers, expected 4 (x, y, width, height)", annotation.bbox_numbers);
    for (double number : annotation.bbox) {
      if (!std::isfinite(number)) return "holds something that is no finite number";
    }
    if (annotation.bbox[2] <= 0 || annotation.bbox[3] <= 0) return "has no positive width and height";
    if (clipped.x1 >= clipped.x2 || clipped.y1 >= clipped.y2) return "lies outside the image";
    return "";
  }

  void add_bad_box(const Sample& sample, const CocoAnnotation& annotation, const std::string& fault) {
    const auto& b = annotation.bbox;
    const std::string line =
        fmt::format("annotation {} of image {} ({}, {}×{}): the box [{}, {}, {}, {}] {}", *annotation.id, sample.id,
                    printable(sample.file_name), sample.width, sample.height, b[0], b[1], b[2], b[3], fault);
    if (options_.bad_boxes == OnBad::Error) throw fail("{}; correct it, or let it be skipped (--bad-boxes skip)", line);
    dataset_.report.bad_boxes.push_back(line);
  }

  void check_and_count() {
    LoadReport& report = dataset_.report;
    report.annotations = static_cast<int64_t>(file_.annotations.size());
    for (const Sample& sample : dataset_.samples) {
      report.objects += static_cast<int64_t>(sample.objects.size());
      report.crowds +=
          std::count_if(sample.objects.begin(), sample.objects.end(), [](auto& object) { return object.crowd; });
      report.images_without_objects += sample.objects.empty();
    }
    if (static_cast<double>(report.unknown_references) > largest_bad_share * static_cast<double>(report.annotations)) {
      throw fail("{} of {} annotations refer to an unknown image or category, more than {:g} %:\n  {}",
                 report.unknown_references, report.annotations, 100 * largest_bad_share,
                 fmt::join(report.unknown_examples, "\n  "));
    }
    if (report.objects == report.crowds) {
      throw fail("there is no box to learn from or to compare with: {} annotations, {} bad boxes, {} crowd regions",
                 report.annotations, report.bad_boxes.size(), report.crowds);
    }
  }

  std::string name_;
  LoadOptions options_;
  CocoFile file_;
  Dataset dataset_;
  IndexById sample_, label_;
};

}  // namespace

std::string LoadReport::text() const {
  std::string text;
  for (const std::string& warning : warnings) text += warning + "\n";
  if (unknown_references) {
    text += fmt::format("{} annotations refer to an unknown image or category and are left out:\n", unknown_references);
    for (const std::string& example : unknown_examples) text += "  " + example + "\n";
    if (unknown_references > 10) text += fmt::format("  … and {} more\n", unknown_references - 10);
  }
  if (!bad_boxes.empty())
    text += fmt::format("{} bad boxes are left out; the first: {}\n", bad_boxes.size(), bad_boxes.front());
  if (clipped_boxes) text += fmt::format("{} boxes reach beyond their image and are clipped\n", clipped_boxes);
  return text;
}

Dataset load_coco_file(const std::filesystem::path& json, const std::filesystem::path& image_root,
                       const std::string& split, const LoadOptions& options) {
  return CocoLoader(json, image_root, split, options).load();
}

Dataset load_coco(const std::filesystem::path& folder, const std::string& split, const LoadOptions& options) {
  const auto json = folder / "annotations" / fmt::format("instances_{}.json", split);
  for (const auto& part : {json, folder / split}) {
    if (!std::filesystem::exists(part)) {
      throw Error(
          ErrorKind::Data,
          fmt::format("{}: does not exist; expected a COCO tree: annotations/instances_{{train,val}}.json and the "
                      "pictures in train/ and val/",
                      printable(part.native())));
    }
  }
  return load_coco_file(json, folder / split, split, options);
}

void write_bad_boxes(const std::filesystem::path& path, const LoadReport& report) {
  std::string text;
  for (const std::string& line : report.bad_boxes) text += line + "\n";
  write_file(path, text);
}

}  // namespace fovea
