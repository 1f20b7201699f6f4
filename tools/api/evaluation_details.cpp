// The C API's summary and matches of an evaluation.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tools/api/evaluation_handles.h"
#include "tools/text/tasks.h"

using namespace fovea;
using namespace fovea::api;

namespace {

// The arguments of pycocotools' _summarize(): which of areas and limits, and which threshold, if not the mean of all.
struct SummaryEntry {
  bool recall;
  size_t area, limit;
  std::optional<double> iou;
};

std::array<SummaryEntry, 12> summary_entries(const std::vector<int64_t>& limits) {
  const auto limit = [&](size_t m) { return std::min(m, limits.size() - 1); };
  const auto hundred = static_cast<size_t>(std::find(limits.begin(), limits.end(), 100) - limits.begin());
  const size_t last = limit(2);
  return {{{false, 0, hundred},
           {false, 0, last, 0.5},
           {false, 0, last, 0.75},
           {false, 1, last},
           {false, 2, last},
           {false, 3, last},
           {true, 0, limit(0)},
           {true, 0, limit(1)},
           {true, 0, last},
           {true, 1, last},
           {true, 2, last},
           {true, 3, last}}};
}

// The mean over thresholds, recalls and classes, from the first to before the last; `values` is room for them.
double mean_value(const Evaluation& evaluation, const SummaryEntry& entry, size_t first, size_t last,
                  std::vector<double>& values) {
  const auto& [recall, area, limit, iou] = entry;
  const CocoCurves& curves = evaluation.curves;
  if (area >= curves.a || limit >= curves.m) return no_ground_truth;
  values.clear();
  const size_t place = area * curves.precision_m + (curves.precision_m == 1 ? 0 : limit);
  const auto& ious = evaluation.protocol.ious;
  for (size_t t = 0; t < curves.t; ++t) {
    if (iou && ious[t] != *iou) continue;
    for (size_t r = 0; r < (recall ? 1 : curves.r); ++r)
      for (size_t k = first; k < last; ++k)
        values.push_back(recall ? curves.recall[((t * curves.k + k) * curves.a + area) * curves.m + limit]
                                : curves.precision[curves.at(t, r, k) + place]);
  }
  return mean_of_known(values);
}

// A fovea_matches and what it points to.
struct OwnMatches {
  fovea_matches matches{};  // first: the caller's pointer is to it
  std::vector<int64_t> detections, objects, object_of, detection_of;
  std::vector<double> scores;
  std::vector<uint8_t> detection_ignored, object_ignored;
};
static_assert(std::is_standard_layout_v<OwnMatches>);

std::span<const Place> of_image(std::span<const Place> places, size_t image) {
  const auto [begin, end] = std::equal_range(places.begin(), places.end(), Place{static_cast<uint32_t>(image), 0, 0, 0},
                                             [](const Place& a, const Place& b) { return a.image < b.image; });
  return {begin, end};
}

// In pycocotools' order of objects: those that count come first.
std::vector<size_t> order_of_objects(const ImageMatcher& matcher, const AreaLimits& range, OwnMatches& own) {
  std::vector<size_t> place(matcher.objects().size());
  for (const bool ignored : {false, true})
    for (size_t g = 0; g < place.size(); ++g) {
      const auto& object = matcher.objects()[g];
      if (ImageMatcher::is_ignored(object, range) != ignored) continue;
      place[g] = own.objects.size();
      own.objects.push_back(object.at);
      own.object_ignored.push_back(ignored ? 1 : 0);
    }
  return place;
}

void match_at(ImageMatcher& matcher, const AreaLimits& range, size_t first, size_t ious,
              const std::vector<size_t>& place, OwnMatches& own) {
  const size_t found = own.detections.size(), objects = own.objects.size();
  const auto each_bit = [&](uint32_t bits, auto&& at_threshold) {
    for (size_t t = 0; t < ious; ++t)
      if (bits >> t & 1) at_threshold(first + t);
  };
  matcher.judge(
      range,
      [&](size_t d, uint32_t g, uint32_t bits) {
        each_bit(bits, [&](size_t t) {
          own.object_of[t * found + d] = matcher.objects()[g].at;
          own.detection_of[t * objects + place[g]] = matcher.detections()[d].at;
        });
      },
      [&](size_t d, ImageMatcher::Verdict verdict) {
        each_bit(verdict.ignored, [&](size_t t) { own.detection_ignored[t * found + d] = 1; });
      });
}

std::unique_ptr<OwnMatches> matches_of(const Evaluation& evaluation, size_t category, size_t area, size_t image) {
  const auto objects = of_image(evaluation.places.truth.of(category), image);
  const auto detections = of_image(evaluation.places.detections.of(category), image);
  if (objects.empty() && detections.empty()) return nullptr;
  auto own = std::make_unique<OwnMatches>();
  const CocoProtocol& protocol = evaluation.protocol;
  const AreaLimits& range = protocol.areas[area];
  std::vector<size_t> place;
  for (size_t first = 0; first < protocol.ious.size(); first += most_thresholds) {
    const size_t ious = std::min(most_thresholds, protocol.ious.size() - first);
    ImageMatcher matcher(evaluation.truth, evaluation.detections, std::span(protocol.ious).subspan(first, ious),
                         static_cast<size_t>(protocol.limits.back()));
    matcher.load(objects, detections);
    if (first == 0) {
      place = order_of_objects(matcher, range, *own);
      for (const auto& found : matcher.detections()) {
        own->detections.push_back(found.at);
        own->scores.push_back(found.score);
      }
      own->object_of.assign(protocol.ious.size() * own->detections.size(), -1);
      own->detection_ignored.assign(own->object_of.size(), 0);
      own->detection_of.assign(protocol.ious.size() * own->objects.size(), -1);
    }
    match_at(matcher, range, first, ious, place, *own);
  }
  own->matches = {.size = sizeof(fovea_matches),
                  .ious = protocol.ious.size(),
                  .detection_count = own->detections.size(),
                  .object_count = own->objects.size(),
                  .detections = own->detections.data(),
                  .objects = own->objects.data(),
                  .scores = own->scores.data(),
                  .object_of = own->object_of.data(),
                  .detection_of = own->detection_of.data(),
                  .detection_ignored = own->detection_ignored.data(),
                  .object_ignored = own->object_ignored.data()};
  return own;
}

void require_index(const char* name, size_t index, size_t count) {
  if (index >= count) bad_argument(fmt::format("{} is {}: there are {}", name, index, count));
}

}  // namespace

fovea_status fovea_evaluation_get_summary(const fovea_evaluation* evaluation, double summary[12]) {
  return guarded([&] {
    const Evaluation& own = contents_of(evaluation, "evaluation");
    if (summary == nullptr) bad_argument("summary is NULL");
    const auto entries = summary_entries(own.protocol.limits);
    std::array<double, 12> values{};
    const size_t workers = own.curves.precision_count() < size_t{1} << 18 ? 1 : own.workers;
    std::vector<std::vector<double>> rooms(workers);
    run_tasks(12, workers, [&](size_t i, size_t worker) {
      values[i] = mean_value(own, entries[i], 0, own.curves.k, rooms[worker]);
    });
    std::copy(values.begin(), values.end(), summary);
  });
}

fovea_status fovea_evaluation_get_class_summary(const fovea_evaluation* evaluation, size_t category,
                                                double summary[12]) {
  return guarded([&] {
    const Evaluation& own = contents_of(evaluation, "evaluation");
    if (summary == nullptr) bad_argument("summary is NULL");
    require_index("category", category, own.curves.k);
    std::vector<double> room;
    for (const SummaryEntry& entry : summary_entries(own.protocol.limits))
      *summary++ = mean_value(own, entry, category, category + 1, room);
  });
}

fovea_status fovea_evaluation_get_matches(const fovea_evaluation* evaluation, size_t category, size_t area,
                                          size_t image, const fovea_matches** matches) {
  return guarded([&] {
    const Evaluation& own = contents_of(evaluation, "evaluation");
    if (matches == nullptr) bad_argument("matches is NULL");
    if (!own.keeps_tables) bad_argument("evaluation has no tables any more: set options.keep_tables");
    require_index("category", category, own.curves.k);
    require_index("area", area, own.curves.a);
    require_index("image", image, own.protocol.images.size());
    auto found = matches_of(own, category, area, image);
    *matches = found ? &found.release()->matches : nullptr;
  });
}

void fovea_matches_free(const fovea_matches* matches) {
  delete reinterpret_cast<const OwnMatches*>(matches);  // of which it is the first member
}
