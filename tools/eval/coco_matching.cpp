#include "tools/eval/coco_matching.h"

#include <algorithm>
#include <unordered_map>

#include "kernels/error.h"

namespace fovea {
namespace {

// Gives ids numbers. Lists name an image, or a class, several times in a row: the last answer is kept.
class Numbering {
 public:
  // The number of an id that was given before, or of a new one.
  uint32_t add(int64_t id) {
    if (!ids_.empty() && id == last_id_) return last_;
    const auto [found, added] = numbers_.emplace(id, static_cast<uint32_t>(ids_.size()));
    if (added) ids_.push_back(id);
    last_id_ = id;
    return last_ = found->second;
  }

  // The place of each number among the ids in ascending order.
  std::vector<uint32_t> ranks() const {
    std::vector<uint32_t> order(ids_.size()), ranks(ids_.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return ids_[a] < ids_[b]; });
    for (uint32_t i = 0; i < order.size(); ++i) ranks[order[i]] = i;
    return ranks;
  }

 private:
  std::unordered_map<int64_t, uint32_t> numbers_;
  std::vector<int64_t> ids_;
  int64_t last_id_ = 0;
  uint32_t last_ = 0;
};

constexpr uint32_t no_label = UINT32_MAX;

// The entries of a list, their images by number, those of each category together.
template <class Entry>
void distribute(std::span<const Entry> entries, const std::unordered_map<int64_t, uint32_t>& label_of,
                Numbering& images, std::vector<CategoryPlaces>& places, std::vector<Place> CategoryPlaces::* list) {
  require(entries.size() < UINT32_MAX, "2^32 boxes or more");
  std::vector<uint32_t> labels(entries.size()), counts(places.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto found = label_of.find(entries[i].category_id);
    labels[i] = found == label_of.end() ? no_label : found->second;
    if (labels[i] != no_label) ++counts[labels[i]];
  }
  for (size_t k = 0; k < places.size(); ++k) (places[k].*list).reserve(counts[k]);
  for (size_t i = 0; i < entries.size(); ++i) {
    if (labels[i] != no_label)
      (places[labels[i]].*list).push_back({images.add(entries[i].image_id), static_cast<uint32_t>(i)});
  }
}

void sort_by_image(std::vector<Place>& places, const std::vector<uint32_t>& ranks) {
  for (Place& place : places) place.image = ranks[place.image];
  std::sort(places.begin(), places.end(),
            [](Place a, Place b) { return (uint64_t{a.image} << 32 | a.at) < (uint64_t{b.image} << 32 | b.at); });
}

bool outside(double area, const AreaRange& range) { return area < range.low || area > range.high; }

class ImageMatcher {
 public:
  ImageMatcher(std::span<const GroundTruth> objects, std::span<const Detection> detections,
               std::span<const double> thresholds, std::span<const AreaRange> areas, int limit, MatchResult& out)
      : all_objects_(objects), all_detections_(detections), areas_(areas), limit_(limit), out_(out) {
    for (const double threshold : thresholds) thresholds_.push_back(std::min(threshold, 1 - 1e-10));
    lowest_ = *std::min_element(thresholds_.begin(), thresholds_.end());
    every_bit_ = thresholds.size() == most_thresholds ? UINT32_MAX : (uint32_t{1} << thresholds.size()) - 1;
  }

  void match(std::span<const Place> objects, std::span<const Place> detections) {
    objects_.clear();
    for (const Place place : objects) objects_.push_back(&all_objects_[place.at]);
    detections_.clear();
    for (const Place place : detections) detections_.push_back(&all_detections_[place.at]);
    sort_by_score(detections_);
    if (detections_.size() > static_cast<size_t>(limit_)) detections_.resize(limit_);
    for (size_t d = 0; d < detections_.size(); ++d) {
      out_.scores.push_back(detections_[d]->score);
      out_.ranks.push_back(static_cast<int>(d));
    }
    find_candidates();
    for (size_t a = 0; a < areas_.size(); ++a) match(areas_[a], out_.areas[a]);
  }

 private:
  struct Candidate {
    uint32_t object;
    double iou;
  };

  // The objects that overlap a detection enough for the lowest threshold, in the order of the list.
  void find_candidates() {
    candidates_.clear();
    first_.assign(1, 0);
    for (const Detection* detection : detections_) {
      for (uint32_t g = 0; g < objects_.size(); ++g) {
        const double overlap = iou(*detection, *objects_[g]);
        if (overlap >= lowest_) candidates_.push_back({g, overlap});
      }
      first_.push_back(static_cast<uint32_t>(candidates_.size()));
    }
  }

  void match(const AreaRange& range, MatchResult::Area& out) {
    ignored_.clear();
    for (const GroundTruth* object : objects_) {
      ignored_.push_back(object->crowd || outside(object->area, range));
      out.objects += !ignored_.back();
    }
    taken_.assign(objects_.size(), 0);
    for (size_t d = 0; d < detections_.size(); ++d) {
      const uint32_t excused = outside(detections_[d]->w * detections_[d]->h, range) ? every_bit_ : 0;
      const std::span<const Candidate> near(candidates_.data() + first_[d], first_[d + 1] - first_[d]);
      uint32_t matched = 0, ignored = near.empty() ? excused : 0;
      for (size_t t = 0; t < thresholds_.size() && !near.empty(); ++t) {
        const uint32_t bit = uint32_t{1} << t;
        int object = best_of(near, false, thresholds_[t], bit);  // objects that count come before ignored ones
        if (object < 0) object = best_of(near, true, thresholds_[t], bit);
        if (object >= 0) taken_[object] |= bit;
        const bool is_match = object >= 0 && objects_[object]->id != 0;
        if (is_match) matched |= bit;
        if (object >= 0 && ignored_[object]) ignored |= bit;
        if (!is_match) ignored |= excused & bit;
      }
      out.matched.push_back(matched);
      out.ignored.push_back(ignored);
    }
  }

  // The free object of the largest IoU at or above the threshold, the last of equal ones; -1 where there is none.
  int best_of(std::span<const Candidate> near, bool among_ignored, double threshold, uint32_t bit) const {
    int best = -1;
    for (const Candidate& candidate : near) {
      const uint32_t g = candidate.object;
      if (bool(ignored_[g]) != among_ignored || candidate.iou < threshold) continue;
      if ((taken_[g] & bit) && !objects_[g]->crowd) continue;
      threshold = candidate.iou;
      best = static_cast<int>(g);
    }
    return best;
  }

  std::span<const GroundTruth> all_objects_;
  std::span<const Detection> all_detections_;
  std::span<const AreaRange> areas_;
  int limit_;
  MatchResult& out_;
  std::vector<double> thresholds_;
  double lowest_;
  uint32_t every_bit_;
  // of the image at hand
  std::vector<const GroundTruth*> objects_;
  std::vector<const Detection*> detections_;
  std::vector<Candidate> candidates_;
  std::vector<uint32_t> first_, taken_;  // first_[d]: where d's candidates begin
  std::vector<uint8_t> ignored_;
};

}  // namespace

void sort_by_score(std::vector<const Detection*>& detections) {
  const auto better = [](const Detection* a, const Detection* b) { return a->score > b->score; };
  if (!std::is_sorted(detections.begin(), detections.end(), better))
    std::stable_sort(detections.begin(), detections.end(), better);
}

std::vector<CategoryPlaces> by_category(std::span<const Category> categories, std::span<const GroundTruth> objects,
                                        std::span<const Detection> detections) {
  std::unordered_map<int64_t, uint32_t> label_of;
  for (size_t k = 0; k < categories.size(); ++k) label_of[categories[k].id] = static_cast<uint32_t>(k);
  std::vector<CategoryPlaces> places(categories.size());
  Numbering images;
  distribute(objects, label_of, images, places, &CategoryPlaces::objects);
  distribute(detections, label_of, images, places, &CategoryPlaces::detections);
  const auto ranks = images.ranks();
#pragma omp parallel for schedule(dynamic)
  for (CategoryPlaces& category : places) {
    sort_by_image(category.objects, ranks);
    sort_by_image(category.detections, ranks);
  }
  return places;
}

MatchResult match(const CategoryPlaces& places, std::span<const GroundTruth> objects,
                  std::span<const Detection> detections, std::span<const double> thresholds,
                  std::span<const AreaRange> areas, int limit) {
  require(!thresholds.empty() && thresholds.size() <= most_thresholds,
          "the number of thresholds is not between 1 and 32");
  MatchResult result;
  result.areas.resize(areas.size());
  result.scores.reserve(places.detections.size());
  result.ranks.reserve(places.detections.size());
  ImageMatcher image(objects, detections, thresholds, areas, limit, result);
  for_each_image(places.objects, places.detections, [&](auto g, auto d) { image.match(g, d); });
  return result;
}

}  // namespace fovea
