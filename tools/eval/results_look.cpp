#include "tools/eval/results_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
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

struct OfImage {
  std::vector<const GroundTruth*> objects;
  std::vector<const Detection*> best;  // as many as objects, of the largest scores
};

// Some images with objects, and their best detections.
std::unordered_map<int64_t, OfImage> some_images(const TruthSet& truth, std::span<const Detection> detections) {
  constexpr size_t asked = 1000;
  std::unordered_map<int64_t, OfImage> images;
  const size_t step = std::max<size_t>(1, truth.images.size() / asked);
  for (size_t i = 0; i < truth.images.size(); i += step) images.try_emplace(truth.images[i].id);
  for (const GroundTruth& object : truth.objects)
    if (const auto image = images.find(object.image_id); image != images.end() && !object.crowd)
      image->second.objects.push_back(&object);
  const auto is_better = [](const Detection* a, const Detection* b) { return a->score > b->score; };
  for (const Detection& detection : detections) {  // a heap with the least of the best in front
    const auto image = images.find(detection.image_id);
    if (image == images.end() || image->second.objects.empty()) continue;
    auto& [objects, best] = image->second;
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

// How many of the best detections lie on an object (IoU 0.5), in each reading; and how many there are.
struct Matches {
  std::array<int64_t, kReadings.size()> of_reading{};
  int64_t detections = 0;
};

Matches count_matches(const std::unordered_map<int64_t, OfImage>& images) {
  Matches matches;
  for (const auto& [id, image] : images)
    for (const Detection* found : image.best) {
      ++matches.detections;
      for (size_t i = 0; i < kReadings.size(); ++i) {
        Detection read = *found;
        const auto [x, y, w, h] = kReadings[i].box(found->x, found->y, found->w, found->h);
        read.x = x, read.y = y, read.w = w, read.h = h;
        matches.of_reading[i] +=
            std::any_of(image.objects.begin(), image.objects.end(),
                        [&](const GroundTruth* object) { return plain_iou(read, *object) >= 0.5; });
      }
    }
  return matches;
}

BoxLook look_of(const TruthSet& truth, std::span<const Detection> detections) {
  std::unordered_map<int64_t, const TruthImage*> images;
  for (const TruthImage& image : truth.images) images.emplace(image.id, &image);
  BoxLook look;
  for (const Detection& d : detections) {
    const TruthImage& image = *images.at(d.image_id);
    look.add({d.x, d.y, d.w, d.h}, image.width, image.height);
  }
  return look;
}

bool objects_are_shares(const TruthSet& truth) {
  BoxLook look;
  for (const GroundTruth& object : truth.objects) look.add({object.x, object.y, object.w, object.h}, 0, 0);
  return look.like_shares();
}

// Both by the objects, and where they do not say it by the images' sizes.
std::optional<std::string> warning_of_boxes(const std::string& name, const TruthSet& truth,
                                            std::span<const Detection> detections) {
  const BoxLook look = look_of(truth, detections);
  if (look.like_shares() && !objects_are_shares(truth))
    throw Error(ErrorKind::Data,
                fmt::format("{}: every box is under one pixel: the boxes look like parts of the image's size; expected "
                            "pixels (multiply by the image's width and height)",
                            name));
  const Matches matches = count_matches(some_images(truth, detections));
  const auto best = std::max_element(matches.of_reading.begin(), matches.of_reading.end());
  const int64_t own = matches.of_reading[0];
  const char* const likely = kReadings[static_cast<size_t>(best - matches.of_reading.begin())].text;
  const std::string by_objects = fmt::format(
      "{}: the boxes look like {}: read so, {} of the {} best detections lie on an object (IoU 0.5), and {} as {}; "
      "write bbox as {}",
      name, likely, *best, matches.detections, own, kReadings[0].text, kReadings[0].text);
  const bool most = 2 * *best >= matches.detections;
  if (most && *best >= 3 && *best >= 5 * own) throw Error(ErrorKind::Data, by_objects);
  if (most && *best > 2 * own) return by_objects;
  if (look.like_corners())
    return fmt::format(
        "{}: {} of {} boxes reach beyond their image, and as x1, y1, x2, y2 none would: the boxes look like x1, y1, "
        "x2, y2; expected x, y, width, height",
        name, look.beyond(), look.boxes());
  return std::nullopt;
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
  if (auto line = warning_of_scores(name, detections)) warnings.push_back(std::move(*line));
  if (auto line = warning_of_boxes(name, truth, detections)) warnings.push_back(std::move(*line));
  return warnings;
}

}  // namespace fovea
