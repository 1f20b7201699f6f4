#include "tools/data/formats/raw_dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/box_look.h"
#include "tools/data/formats/category_names.h"
#include "tools/data/formats/folder.h"
#include "tools/image/image_size.h"
#include "tools/text/advice.h"

namespace fovea {
namespace {

using IndexById = std::unordered_map<int64_t, int>;

class DatasetMaker {
 public:
  DatasetMaker(RawDataset raw, const std::string& split, const LoadOptions& options)
      : options_(options), raw_(std::move(raw)) {
    dataset_.split = split;
    dataset_.image_root = raw_.image_root;
    dataset_.report.warnings = std::move(raw_.warnings);
    dataset_.report.bad_images = std::move(raw_.bad_images);
  }

  Dataset make() {
    if (raw_.images.empty() && !dataset_.report.bad_images.empty())
      throw fail("none of the {} images can be read; the first: {}", dataset_.report.bad_images.size(),
                 dataset_.report.bad_images.front().why);
    take_categories();
    take_images();
    renumber_annotations_if_needed();
    count_objects();
    dataset_.report.annotations = static_cast<int64_t>(raw_.objects.size());
    for (size_t i = 0; !raw_.objects.empty(); ++i, raw_.objects.pop_front()) take_object(i, raw_.objects.front());
    check_and_count();
    look_at_some_images();
    return std::move(dataset_);
  }

 private:
  template <class... Args>
  Error fail(fmt::format_string<Args...> format, Args&&... args) const {
    return fail_at({}, fmt::format(format, std::forward<Args>(args)...));
  }

  Error fail_at(Origin origin, const std::string& what) const {
    return {ErrorKind::Data, fmt::format("{}: {}", origin.file < 0 ? raw_.name : place(origin), what)};
  }

  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    dataset_.report.warnings.push_back(
        fmt::format("{}: {}", raw_.name, fmt::format(format, std::forward<Args>(args)...)));
  }

  std::string place(Origin origin) const {
    const std::string& file = raw_.files[static_cast<size_t>(origin.file)];
    return origin.line > 0 ? fmt::format("{}:{}", file, origin.line) : file;
  }

  // Where each id stands. Doubled ids would make annotations ambiguous, so they are refused.
  template <class List>
  IndexById index_ids(const List& list, const char* list_name) {
    const int64_t smallest_usual = raw_.own_ids ? 1 : 0;
    IndexById index;
    int64_t odd = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      const auto [first, added] = index.emplace(list[i].id, static_cast<int>(i));
      if (!added)
        throw fail("{}[{}].id: {} is already the id of {}[{}]", list_name, i, list[i].id, list_name, first->second);
      odd += list[i].id < smallest_usual;
    }
    if (list.empty()) throw fail("{}: the list is empty", list_name);
    if (odd > 0)
      warn("{}: {} of the ids are {}negative; they are kept, but some programs cannot handle them", list_name, odd,
           raw_.own_ids ? "0 or " : "");
    return index;
  }

  void take_categories() {
    index_ids(raw_.categories, "categories");
    for (std::string& line : unite_categories(raw_, options_.merge_classes))
      dataset_.report.warnings.push_back(std::move(line));
    dataset_.categories = std::move(raw_.categories);
    std::sort(dataset_.categories.begin(), dataset_.categories.end(), [](auto& a, auto& b) { return a.id < b.id; });
    for (size_t label = 0; label < dataset_.categories.size(); ++label)
      label_[dataset_.categories[label].id] = static_cast<int>(label);
  }

  void take_images() {
    sample_ = index_ids(raw_.images, "images");
    dataset_.samples.reserve(raw_.images.size());
    Repeats repeats;
    for (RawImage& image : raw_.images) {
      check_file_name(image);
      repeats.again(image.file_name);
      dataset_.samples.push_back({image.id, std::move(image.file_name), image.width, image.height, {}});
    }
    raw_.images = {};
    if (repeats.count > 0)
      warn("images: {} share their file with another image and count as separate images; the first: {}", repeats.count,
           printable(repeats.first));
  }

  // Boxes that were drawn on images as stored, where Exif turns these: said before a long training, of a few heads.
  void look_at_some_images() {
    constexpr size_t asked = 50;
    const size_t step = std::max<size_t>(1, dataset_.samples.size() / asked);
    int64_t seen = 0, as_stored = 0;
    for (size_t i = 0; i < dataset_.samples.size(); i += step) {
      const Sample& sample = dataset_.samples[i];
      try {
        as_stored += read_image_size(dataset_.image_root / sample.file_name, {sample.width, sample.height}).as_stored;
        ++seen;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::Data) throw;  // whoever reads the images says what is wrong with them
      }
    }
    if (as_stored > 0)
      warn(
          "{} of {} images looked at would be turned by their Exif orientation, but only as stored they have the "
          "annotated size: such images are used as stored",
          as_stored, seen);
  }

  void check_file_name(const RawImage& image) const {
    const std::filesystem::path path(image.file_name);
    const bool leaves = path.is_absolute() || *path.lexically_normal().begin() == "..";
    const bool is_folder = !path.has_filename() || path.filename() == "." || path.filename() == "..";
    if (leaves || is_folder || image.file_name.find('\0') != std::string::npos) {
      throw fail_at(image.origin, fmt::format("image {}: the file name \"{}\" is not a path inside the image folder",
                                              image.id, printable(image.file_name)));
    }
  }

  // Annotation ids name nothing else, so bad ones (some programs take 0 for "none") can be replaced; images keep
  // theirs.
  void renumber_annotations_if_needed() {
    const auto rises = [last = int64_t{0}](const RawObject& object) mutable {
      return object.id && std::exchange(last, *object.id) < *object.id;
    };
    if (std::all_of(raw_.objects.begin(), raw_.objects.end(), rises)) return;  // as nearly everywhere
    std::unordered_set<int64_t> seen;
    size_t bad = 0, first_bad = 0;
    for (size_t i = 0; i < raw_.objects.size(); ++i) {
      const auto& id = raw_.objects[i].id;
      if (id && *id > 0 && seen.insert(*id).second) continue;
      if (bad++ == 0) first_bad = i;
    }
    if (bad == 0) return;
    for (size_t i = 0; i < raw_.objects.size(); ++i) raw_.objects[i].id = static_cast<int64_t>(i) + 1;
    warn(
        "annotations: {} ids are missing, duplicate, not positive, or not integers below 2^53 (the first: "
        "annotations[{}].id): "
        "all annotations are renumbered 1…{}",
        bad, first_bad, raw_.objects.size());
  }

  void count_objects() {
    objects_of_.resize(dataset_.samples.size());
    for (const RawObject& object : raw_.objects)
      if (const auto sample = sample_.find(object.image_id); sample != sample_.end())
        ++objects_of_[static_cast<size_t>(sample->second)];
  }

  void take_object(size_t i, const RawObject& object) {
    const auto sample = sample_.find(object.image_id);
    const auto label = label_.find(object.category_id);
    if (sample == sample_.end() || label == label_.end()) {
      if (dataset_.report.unknown_references++ < 10)
        dataset_.report.unknown_examples.push_back(unknown_text(i, object, sample == sample_.end()));
      return;
    }
    const auto at = static_cast<size_t>(sample->second);
    // Millions of short lists take half the memory where none grows; made one by one, they take what raw objects had.
    dataset_.samples[at].objects.reserve(objects_of_[at]);
    odd_ = raw_.odd_boxes.find(i);
    add_object(dataset_.samples[at], object, label->second);
  }

  std::string unknown_text(size_t i, const RawObject& object, bool unknown_image) const {
    const std::string where =
        object.origin.file < 0 ? fmt::format("annotations[{}] (id {})", i, *object.id) : place(object.origin);
    if (unknown_image) return fmt::format("{}: unknown image {}", where, object.image_id);
    const auto name = raw_.unknown_names.find(object.category_id);
    return name == raw_.unknown_names.end() ? fmt::format("{}: unknown category {}", where, object.category_id)
                                            : fmt::format("{}: unknown category '{}'", where, printable(name->second));
  }

  void add_object(Sample& sample, const RawObject& raw, int label) {
    const auto [x, y, w, h] = raw.bbox;
    const double x1 = std::max(0.0, x), y1 = std::max(0.0, y);
    const double x2 = std::min<double>(sample.width, x + w), y2 = std::min<double>(sample.height, y + h);
    const Object object{static_cast<float>(x1),
                        static_cast<float>(y1),
                        static_cast<float>(x2),
                        static_cast<float>(y2),
                        label,
                        raw.crowd,
                        raw.area.value_or(w * h),
                        *raw.id,
                        raw.bbox};
    if (std::all_of(raw.bbox.begin(), raw.bbox.end(), [](double number) { return std::isfinite(number); }))
      look_.add(raw.bbox, sample.width, sample.height);
    const std::string fault = fault_of(raw, object);
    if (!fault.empty()) return add_bad_box(sample, raw, fault);
    if (x < 0 || y < 0 || x + w > sample.width || y + h > sample.height) ++dataset_.report.clipped_boxes;
    sample.objects.push_back(object);
  }

  std::string fault_of(const RawObject& raw, const Object& clipped) const {
    if (odd_ != raw_.odd_boxes.end() && !odd_->second.starts_with('['))
      return "is no list of 4 numbers (x, y, width, height)";
    if (raw.bbox_numbers != 4)
      return fmt::format("has {} numbers, expected 4 (x, y, width, height){}", raw.bbox_numbers,
                         raw.bbox_numbers == 5 ? ": rotated boxes are not read" : "");
    for (double number : raw.bbox) {
      if (!std::isfinite(number)) return "has a value that is not a finite number";
    }
    if (raw.bbox[2] <= 0 || raw.bbox[3] <= 0) {
      const bool negative = raw.bbox[2] < 0 || raw.bbox[3] < 0;
      const char* likely = raw_.own_ids ? ": is it x1, y1, x2, y2?" : ": are its corners exchanged?";
      return std::string("has no positive width and height") + (negative ? likely : "");
    }
    if (clipped.x1 >= clipped.x2 || clipped.y1 >= clipped.y2) return "lies outside the image";
    return "";
  }

  void add_bad_box(const Sample& sample, const RawObject& raw, const std::string& fault) {
    const auto& b = raw.bbox;
    const std::string box =
        odd_ != raw_.odd_boxes.end() ? odd_->second : fmt::format("[{}, {}, {}, {}]", b[0], b[1], b[2], b[3]);
    const std::string line = fmt::format("{}annotation {} of image {} ({}, {}×{}): the box {} {}",
                                         raw.origin.file < 0 ? "" : place(raw.origin) + ": ", *raw.id, sample.id,
                                         printable(sample.file_name), sample.width, sample.height, box, fault);
    if (options_.bad_boxes == OnBad::Error) throw fail("{}; correct it, or {}", line, advise(advice::kSkipBadBoxes));
    dataset_.report.bad_boxes.push_back(line);
  }

  void check_and_count() {
    LoadReport& report = dataset_.report;
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
    check_look();
    if (report.objects == report.crowds) {
      std::vector<std::string> bad = report.bad_boxes;
      for (const BadImage& image : report.bad_images) bad.push_back(image.why);
      throw fail("no usable box: {} annotations, {} bad boxes, {} crowd or ignore regions{}{}", report.annotations,
                 report.bad_boxes.size(), report.crowds,
                 report.bad_images.empty() ? "" : fmt::format(", {} bad images", report.bad_images.size()),
                 first_three(bad));
    }
  }

  static std::string first_three(const std::vector<std::string>& lines) {
    std::string text;
    for (size_t i = 0; i < std::min<size_t>(3, lines.size()); ++i) text += "\n  " + lines[i];
    return text;
  }

  // Boxes that may each be right, and together look wrong.
  void check_look() {
    if (look_.like_shares()) {
      std::vector<std::string> examples;
      for (const Sample& sample : dataset_.samples)
        for (const Object& object : sample.objects)
          if (examples.size() < 3)
            examples.push_back(fmt::format("{}, {}x{}: [{}]", printable(sample.file_name), sample.width, sample.height,
                                           fmt::join(object.bbox, ", ")));
      throw fail(
          "every box is under one pixel: the boxes look like parts of the image's size; expected pixels (multiply by "
          "the image's width and height){}",
          first_three(examples));
    }
    if ((raw_.own_ids || raw_.sides) && look_.like_corners())
      warn(
          "{} of {} boxes reach beyond their image, and as x1, y1, x2, y2 none would: the boxes look like x1, y1, x2, "
          "y2; expected x, y, width, height",
          look_.beyond(), look_.boxes());
  }

  LoadOptions options_;
  RawDataset raw_;
  Dataset dataset_;
  IndexById sample_, label_;
  std::vector<uint32_t> objects_of_;  // by sample: how many raw ones
  BoxLook look_;
  std::map<size_t, std::string>::const_iterator odd_;  // of the object that is taken, or none
};

}  // namespace

Dataset make_dataset(RawDataset raw, const std::string& split, const LoadOptions& options) {
  return DatasetMaker(std::move(raw), split, options).make();
}

double snapped(double pixels) {
  constexpr double grid = 1e9, exact_below = 1e6;  // pixels × grid stays below 2^53
  return std::abs(pixels) < exact_below ? std::round(pixels * grid) / grid : pixels;
}

std::array<double, 4> box_of_corners(double x1, double y1, double x2, double y2) {
  return {x1, y1, snapped(x2 - x1), snapped(y2 - y1)};
}

}  // namespace fovea
