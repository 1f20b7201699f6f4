#include "tools/eval/results_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <unordered_map>

#include "kernels/error.h"
#include "tools/data/formats/box_look.h"

namespace fovea {
namespace {

// What four numbers may mean, as what they are in truth.
struct Reading {
  const char* text;
  std::array<double, 4> (*box)(double a, double b, double c, double d);
};

constexpr std::array<Reading, 5> kReadings{
    {{"x, y, width, height", [](double a, double b, double c, double d) { return std::array{a, b, c, d}; }},
     {"x1, y1, x2, y2", [](double a, double b, double c, double d) { return std::array{a, b, c - a, d - b}; }},
     {"y, x, height, width", [](double a, double b, double c, double d) { return std::array{b, a, d, c}; }},
     {"y1, x1, y2, x2", [](double a, double b, double c, double d) { return std::array{b, a, d - b, c - a}; }},
     {"center x, center y, width, height",
      [](double a, double b, double c, double d) { return std::array{a - c / 2, b - d / 2, c, d}; }}}};

using ById = std::unordered_map<int64_t, const TruthImage*>;

ById by_id(const std::vector<TruthImage>& images) {
  ById found;
  for (const TruthImage& image : images) found.emplace(image.id, &image);
  return found;
}

// Looks up what a list of detections asks for: mostly what it has asked for last.
class ImageOf {
 public:
  explicit ImageOf(const ById& images) : images_(images) {}
  const TruthImage& operator()(const Detection& d) {
    if (last_ == nullptr || last_->id != d.image_id) last_ = images_.at(d.image_id);
    return *last_;
  }

 private:
  const ById& images_;
  const TruthImage* last_ = nullptr;
};

struct OfImage {
  const TruthImage* image = nullptr;
  std::vector<const GroundTruth*> objects;
  std::vector<const Detection*> best;  // as many as objects, of the largest scores
};

// Some images with objects, and their best detections.
std::unordered_map<int64_t, OfImage> some_images(const TruthSet& truth, std::span<const Detection> detections) {
  constexpr size_t asked = 1000;
  std::unordered_map<int64_t, OfImage> images;
  const size_t step = std::max<size_t>(1, truth.images.size() / asked);
  for (size_t i = 0; i < truth.images.size(); i += step) images[truth.images[i].id].image = &truth.images[i];
  for (const GroundTruth& object : truth.objects)
    if (const auto image = images.find(object.image_id); image != images.end() && !object.crowd)
      image->second.objects.push_back(&object);
  const auto is_better = [](const Detection* a, const Detection* b) { return a->score > b->score; };
  auto image = images.end();
  std::optional<int64_t> last;
  for (const Detection& detection : detections) {  // a heap with the least of the best in front
    if (last != detection.image_id) last = detection.image_id, image = images.find(detection.image_id);
    if (image == images.end() || image->second.objects.empty()) continue;
    auto& [head, objects, best] = image->second;
    if (best.size() == objects.size()) {
      if (detection.score <= best.front()->score) continue;
      std::pop_heap(best.begin(), best.end(), is_better);
      best.pop_back();
    }
    best.push_back(&detection);
    std::push_heap(best.begin(), best.end(), is_better);
  }
  return images;
}

using Box = std::array<double, 4>;
using Images = std::unordered_map<int64_t, OfImage>;

bool lies_on(const Box& box, const GroundTruth& object) {
  const Detection found{0, 0, box[0], box[1], box[2], box[3], 0};
  return plain_iou(found, object) >= 0.5;
}

Box box_of(const Detection& d) { return {d.x, d.y, d.w, d.h}; }

// How many of the best detections lie on an object as `read` gives their boxes.
template <class Read>
int64_t count_matches(const Images& images, Read&& read) {
  int64_t matches = 0;
  for (const auto& [id, image] : images)
    for (const Detection* found : image.best) {
      const Box box = read(*found, image);
      matches += std::any_of(image.objects.begin(), image.objects.end(),
                             [&](const GroundTruth* object) { return lies_on(box, *object); });
    }
  return matches;
}

struct Likeliest {
  std::string text;  // what the boxes look like, and what to write
  int64_t matches = 0;
};

Likeliest likeliest_order(const Images& images) {
  Likeliest best;
  for (const Reading& reading : kReadings) {
    const int64_t matches =
        count_matches(images, [&](const Detection& d, const OfImage&) { return reading.box(d.x, d.y, d.w, d.h); });
    if (matches > best.matches) best = {reading.text, matches};
  }
  return best;
}

// What a number of boxes may count: pixels of the image, or parts of its sides, or of the longer one alone.
struct Unit {
  enum Kind { Pixel, Sides, Longer } kind;
  std::array<double, 2> of(const TruthImage& image) const {
    const double longer = std::max(image.width, image.height);
    return kind == Pixel   ? std::array{1.0, 1.0}
           : kind == Sides ? std::array<double, 2>{static_cast<double>(image.width), static_cast<double>(image.height)}
                           : std::array{longer, longer};
  }
};

double median(std::vector<double>& numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

// How many times larger than objects in that unit the detections are, across and down; by the sums of their far
// corners in each image.
std::array<double, 2> factors(const Images& images, Unit unit) {
  std::vector<double> across, down;
  for (const auto& [id, image] : images) {
    if (image.best.empty() || image.best.size() != image.objects.size()) continue;
    double found_x = 0, found_y = 0, x = 0, y = 0;
    for (const Detection* d : image.best) found_x += d->x + d->w, found_y += d->y + d->h;
    for (const GroundTruth* g : image.objects) x += g->x + g->w, y += g->y + g->h;
    const auto [ux, uy] = unit.of(*image.image);
    const double fx = found_x * ux / x, fy = found_y * uy / y;
    if (!std::isfinite(fx) || !std::isfinite(fy) || fx <= 0 || fy <= 0) continue;
    across.push_back(fx), down.push_back(fy);
  }
  return across.empty() ? std::array{1.0, 1.0} : std::array{median(across), median(down)};
}

std::string text_of(Unit unit, double fx, double fy) {
  const auto is_about = [&](double wanted) {
    return std::abs(fx / wanted - 1) < 0.05 && std::abs(fy / wanted - 1) < 0.05;
  };
  if (unit.kind == Unit::Pixel)
    return is_about(fx) ? fmt::format("pixels times {:.3g}", fx)
                        : fmt::format("pixels times {:.3g} across and {:.3g} down", fx, fy);
  if (unit.kind == Unit::Longer) return fmt::format("pixels of images whose longer side is {:.0f}", fx);
  if (is_about(100)) return "per cent of the image's width and height";
  if (is_about(1000)) return "thousandths of the image's width and height";
  return fmt::format("pixels of images of {:.0f}×{:.0f}", fx, fy);
}

// The unit in which most detections lie on objects.
Likeliest likeliest_unit(const Images& images) {
  Likeliest best;
  const bool sizes = std::all_of(images.begin(), images.end(), [](auto& entry) {
    return entry.second.image->width > 0 && entry.second.image->height > 0;
  });
  for (const auto kind : {Unit::Sides, Unit::Longer, Unit::Pixel}) {
    const Unit unit{kind};
    if (kind != Unit::Pixel && !sizes) continue;
    const auto [fx, fy] = factors(images, unit);
    const int64_t matches = count_matches(images, [&, fx = fx, fy = fy](const Detection& d, const OfImage& image) {
      const auto [ux, uy] = unit.of(*image.image);
      return Box{d.x * ux / fx, d.y * uy / fy, d.w * ux / fx, d.h * uy / fy};
    });
    const bool plainer = kind == Unit::Pixel && matches == best.matches && std::abs(fx / fy - 1) < 0.05 &&
                         best.text.starts_with("pixels of");
    if (matches > best.matches || plainer) best = {text_of(unit, fx, fy), matches};
  }
  return best;
}

BoxLook look_of(const ById& images, std::span<const Detection> detections) {
  BoxLook look;
  ImageOf image_of(images);
  for (const Detection& d : detections) {
    const TruthImage& image = image_of(d);
    look.add({d.x, d.y, d.w, d.h}, image.width, image.height);
  }
  return look;
}

bool objects_are_shares(const TruthSet& truth) {
  BoxLook look;
  for (const GroundTruth& object : truth.objects) look.add({object.x, object.y, object.w, object.h}, 0, 0);
  return look.like_shares();
}

// Detectors may reach a little beyond an image, but not by half of it. `right`: most lie on objects; then it is the
// image whose size is odd.
std::optional<std::string> warning_of_far_boxes(const std::string& name, const ById& images,
                                                std::span<const Detection> detections, bool right) {
  constexpr double no_image = 1e7;  // pixels
  size_t far = 0, absurd = 0, first = 0;
  ImageOf image_of(images);
  for (size_t i = 0; i < detections.size(); ++i) {
    const Detection& d = detections[i];
    const TruthImage& image = image_of(d);
    const auto reaches = [&](double from, double size, int side) {
      absurd += std::max(std::abs(from), std::abs(from + size)) > no_image;
      return side > 0 && (from < -0.5 * side - 1 || from + size > 1.5 * side + 1);
    };
    const size_t absurd_before = absurd;
    const bool across = reaches(d.x, d.w, image.width), down = reaches(d.y, d.h, image.height);
    if (!across && !down && absurd == absurd_before) continue;
    if (far++ == 0) first = i;
  }
  if (absurd == 0 && (right || far * 10 < detections.size())) return std::nullopt;
  const Detection& d = detections[first];
  const TruthImage& image = *images.at(d.image_id);
  return fmt::format(
      "{}: {} of {} boxes reach far beyond their image, the first that of results[{}]: [{:g}, {:g}, {:g}, {:g}]{}; "
      "expected x, y, width, height in pixels of the image",
      name, far, detections.size(), first, d.x, d.y, d.w, d.h,
      image.width > 0 ? fmt::format(" in an image of {}×{}", image.width, image.height) : "");
}

// Both by the objects, and where they do not say it by the images' sizes.
std::optional<std::string> warning_of_boxes(const std::string& name, const TruthSet& truth, const Images& images,
                                            std::span<const Detection> detections) {
  const ById all_images = by_id(truth.images);
  const BoxLook look = look_of(all_images, detections);
  if (look.like_shares() && !objects_are_shares(truth))
    throw Error(ErrorKind::Data,
                fmt::format("{}: every box is under one pixel: the boxes look like parts of the image's size; expected "
                            "pixels (multiply by the image's width and height)",
                            name));
  int64_t asked = 0;
  for (const auto& [id, image] : images) asked += static_cast<int64_t>(image.best.size());
  const int64_t own = count_matches(images, [](const Detection& d, const OfImage&) { return box_of(d); });
  const auto says = [&](const Likeliest& likely) {
    return fmt::format(
        "{}: the boxes look like {}: read so, {} of the {} best detections lie on an object (IoU 0.5), and {} as {}",
        name, likely.text, likely.matches, asked, own, kReadings[0].text);
  };
  const auto is_sure = [&](const Likeliest& likely, int64_t least) {
    return 2 * likely.matches >= asked && likely.matches >= least && likely.matches >= 5 * own;
  };
  const Likeliest order = likeliest_order(images);
  const std::string in_order = fmt::format("{}; write bbox as {}", says(order), kReadings[0].text);
  if (is_sure(order, 3)) throw Error(ErrorKind::Data, in_order);
  if (2 * order.matches >= asked && order.matches > 2 * own) return in_order;
  if (const Likeliest unit = likeliest_unit(images); is_sure(unit, 5))
    throw Error(ErrorKind::Data,
                fmt::format("{}; write bbox in pixels of the image as the ground truth has it", says(unit)));
  if (look.like_corners())
    return fmt::format(
        "{}: {} of {} boxes reach beyond their image, and as x1, y1, x2, y2 none would: the boxes look like x1, y1, "
        "x2, y2; expected x, y, width, height",
        name, look.beyond(), look.boxes());
  return warning_of_far_boxes(name, all_images, detections, asked > 0 && 2 * own >= asked);
}

// What a category id may be in truth; none: no category.
using ReadCategory = std::optional<int64_t> (*)(const std::vector<Category>&, int64_t);
struct CategoryReading {
  const char *what, *write;
  ReadCategory read;
};

std::optional<int64_t> category_at(const std::vector<Category>& categories, int64_t place) {
  if (place < 0 || place >= static_cast<int64_t>(categories.size())) return std::nullopt;
  return categories[static_cast<size_t>(place)].id;
}

constexpr std::array<CategoryReading, 4> kCategoryReadings{{
    {"one less than the ground truth's", "add 1 to each",
     [](const std::vector<Category>&, int64_t id) { return std::optional(id + 1); }},
    {"one more than the ground truth's", "subtract 1 from each",
     [](const std::vector<Category>&, int64_t id) { return std::optional(id - 1); }},
    {"places in the ground truth's list of categories, from 0 on", "write their ids",
     [](const std::vector<Category>& list, int64_t id) { return category_at(list, id); }},
    {"places in the ground truth's list of categories, from 1 on", "write their ids",
     [](const std::vector<Category>& list, int64_t id) { return category_at(list, id - 1); }},
}};

struct CategoryMatches {
  int64_t count = 0;
  std::set<int64_t> categories;  // that occur in them
};

// Of the best detections that lie on objects, those on one of the category that `read` gives.
template <class Read>
CategoryMatches match_categories(const Images& images, Read&& read) {
  CategoryMatches matches;
  for (const auto& [id, image] : images)
    for (const Detection* found : image.best) {
      const std::optional<int64_t> category = read(found->category_id);
      const Box box = box_of(*found);
      if (!category || std::none_of(image.objects.begin(), image.objects.end(), [&](const GroundTruth* object) {
            return object->category_id == *category && lies_on(box, *object);
          }))
        continue;
      ++matches.count;
      matches.categories.insert(*category);
    }
  return matches;
}

// Where the boxes are right and the categories are not.
std::optional<std::string> warning_of_categories(const std::string& name, const TruthSet& truth, const Images& images) {
  constexpr int64_t few = 3, many = 10;
  const int64_t lie = count_matches(images, [](const Detection& d, const OfImage&) { return box_of(d); });
  const int64_t own = match_categories(images, [](int64_t id) { return std::optional(id); }).count;
  if (lie < few || 5 * own > lie) return std::nullopt;
  const std::string found = fmt::format(
      "{}: {} of the best detections lie on an object (IoU 0.5), and {} of them on "
      "one of their category",
      name, lie, own);
  for (const CategoryReading& reading : kCategoryReadings) {
    const auto matches = match_categories(images, [&](int64_t id) { return reading.read(truth.categories, id); });
    if (10 * matches.count < 8 * lie || matches.count < 5 * own) continue;
    const std::string line = fmt::format("{}: the category ids look like {}, as which {} match: {}", found,
                                         reading.what, matches.count, reading.write);
    if (matches.categories.size() > 1) throw Error(ErrorKind::Data, line);
    return line;  // of one class, it may be a detector that takes it for another
  }
  if (lie < many || 10 * own > lie) return std::nullopt;
  return found + ": do the category ids follow another list than the ground truth's?";
}

std::optional<std::string> warning_of_scores(const std::string& name, std::span<const Detection> detections) {
  const auto is_odd = [](const Detection& detection) { return detection.score < 0 || detection.score > 1; };
  const auto odd = std::count_if(detections.begin(), detections.end(), is_odd);
  if (odd == 0) return std::nullopt;
  const auto first = std::find_if(detections.begin(), detections.end(), is_odd) - detections.begin();
  const auto [least, largest] =
      std::minmax_element(detections.begin(), detections.end(), [](auto& a, auto& b) { return a.score < b.score; });
  const char* const likely = least->score >= 0 && largest->score > 1 && largest->score <= 100
                                 ? "; do they count per cent? Then divide them by 100"
                                 : "";
  return fmt::format("{}: {} of {} scores are not in 0…1, the first that of results[{}], {}{}; AP only compares them",
                     name, odd, detections.size(), first, detections[static_cast<size_t>(first)].score, likely);
}

}  // namespace

std::vector<std::string> look_at_results(const std::string& name, const TruthSet& truth,
                                         std::span<const Detection> detections) {
  std::vector<std::string> warnings;
  if (detections.empty()) return warnings;
  const Images images = some_images(truth, detections);
  if (auto line = warning_of_scores(name, detections)) warnings.push_back(std::move(*line));
  if (auto line = warning_of_boxes(name, truth, images, detections)) warnings.push_back(std::move(*line));
  if (auto line = warning_of_categories(name, truth, images)) warnings.push_back(std::move(*line));
  return warnings;
}

}  // namespace fovea
