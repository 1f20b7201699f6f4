// Where the arithmetic of pycocotools' accumulate decides the last digits (numpy's pairwise sums, the order of ties),
// it is followed to the letter.
#include "tools/eval/coco_curves.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tools/text/tasks.h"

namespace fovea {
namespace {

constexpr size_t most_areas = 16;  // at once: one bit each

struct CurvesSlice {
  size_t first_iou, ious, first_area, areas;
};

// What one class has at some thresholds and areas; used for one class after the other.
class ClassCurves {
 public:
  ClassCurves(const BoxTable& truth, const BoxTable& detections, const CocoProtocol& protocol, const CurvesSlice& slice,
              CocoCurves& curves)
      : protocol_(protocol),
        slice_(slice),
        curves_(curves),
        matcher_(truth, detections, std::span(protocol.ious).subspan(slice.first_iou, slice.ious),
                 static_cast<size_t>(protocol.limits.back())),
        every_bit_(slice.ious == most_thresholds ? UINT32_MAX : (uint32_t{1} << slice.ious) - 1),
        right_(slice.areas * slice.ious),
        needed_(slice.areas),
        precision_(slice.ious * slice.areas * curves.r * curves.precision_m),
        scores_(precision_.size()) {}

  void evaluate(size_t label, std::span<const Place> objects, std::span<const Place> detections) {
    votes_.clear();
    verdicts_.clear();
    count_.fill(0);
    ranks_ = 0;
    for_each_image(objects, detections, [&](auto g, auto d) { add_image(g, d); });
    sort_votes();
    fill(label);
  }

 private:
  static constexpr uint32_t is_verdict = uint32_t{1} << 31;

  // One detection. `tag`: which verdicts are its own; without is_verdict it fits no object, and the bits say for which
  // areas it need not count.
  struct Vote {
    double score;
    uint32_t tag, rank;
  };

  void add_image(std::span<const Place> objects, std::span<const Place> detections) {
    if (objects.empty() && detections.size() == 1) {  // most are so
      votes_.push_back({detections[0].score, excuse(detections[0].area), 0});
      return;
    }
    matcher_.load(objects, detections);
    for (const auto& object : matcher_.objects())
      for (size_t a = 0; a < slice_.areas; ++a) count_[a] += !ImageMatcher::is_ignored(object, range(a));
    const auto found = matcher_.detections();
    ranks_ = std::max(ranks_, found.size());
    bool any = false;
    for (uint32_t d = 0; d < found.size(); ++d) {
      if (ImageMatcher::has_candidates(found[d])) {
        any = true;
        votes_.push_back({found[d].score, is_verdict | static_cast<uint32_t>(verdicts_.size() / slice_.areas), d});
        verdicts_.resize(verdicts_.size() + slice_.areas);
      } else {
        votes_.push_back({found[d].score, excuse(found[d].area), d});
      }
    }
    if (any) judge_image();
  }

  void judge_image() {
    const Vote* const own = votes_.data() + votes_.size() - matcher_.detections().size();
    for (size_t a = 0; a < slice_.areas; ++a)
      matcher_.judge(
          range(a), [](size_t, uint32_t, uint32_t) {},
          [&](size_t d, ImageMatcher::Verdict verdict) {
            if (own[d].tag & is_verdict) verdicts_[(own[d].tag & ~is_verdict) * slice_.areas + a] = verdict;
          });
  }

  const AreaLimits& range(size_t a) const { return protocol_.areas[slice_.first_area + a]; }
  uint32_t excuse(double area) const {
    uint32_t bits = 0;
    for (size_t a = 0; a < slice_.areas; ++a) bits |= uint32_t{outside(area, range(a))} << a;
    return bits;
  }

  // Best first, equal scores in the order of images. Buckets of near scores are sorted each by itself.
  void sort_votes() {
    const size_t count = votes_.size();
    if (count < 2) return;
    const auto [low, high] = std::minmax_element(votes_.begin(), votes_.end(),
                                                 [](const Vote& a, const Vote& b) { return a.score < b.score; });
    const double best = high->score, scale = static_cast<double>(count - 1) / (best - low->score);
    if (!std::isfinite(scale) || scale <= 0) return sort_best_first(votes_.data(), votes_.data() + count);
    const auto bucket = [&](double score) { return static_cast<size_t>((best - score) * scale); };
    starts_.assign(count + 2, 0);
    for (const Vote& vote : votes_) ++starts_[bucket(vote.score) + 2];
    for (size_t b = 2; b < starts_.size(); ++b) starts_[b] += starts_[b - 1];
    sorted_.resize(count);
    for (const Vote& vote : votes_) sorted_[starts_[bucket(vote.score) + 1]++] = vote;
    for (size_t b = 0; b < count; ++b)
      if (starts_[b + 1] - starts_[b] > 1)
        sort_best_first(sorted_.data() + starts_[b], sorted_.data() + starts_[b + 1]);
    votes_.swap(sorted_);
  }

  // The right detections of one area and threshold, from the best down.
  struct Right {
    std::vector<uint32_t> counted;  // see best_precisions
    std::vector<uint32_t> votes;
  };

  // Most detections fit no object, or count the same at all thresholds: they are counted once.
  void walk(uint64_t limit) {
    for (Right& right : right_) right.counted.clear(), right.votes.clear();
    std::array<uint32_t, most_areas> everywhere{};
    others_.assign(right_.size(), 0);
    for (uint32_t v = 0; v < votes_.size(); ++v) {
      const auto [score, tag, rank] = votes_[v];
      if (rank >= limit) continue;
      if (!(tag & is_verdict)) {
        for (size_t a = 0; a < most_areas; ++a) everywhere[a] += ~tag >> a & 1;  // at once, where it is one vector
        continue;
      }
      const auto* const verdicts = verdicts_.data() + (tag & ~is_verdict) * slice_.areas;
      for (size_t a = 0; a < slice_.areas; ++a) {
        const auto [matched, ignored] = verdicts[a];
        if (ignored == every_bit_) continue;
        const size_t own = a * slice_.ious;
        if (ignored == 0)
          ++everywhere[a];
        else
          for (size_t t = 0; t < slice_.ious; ++t) others_[own + t] += ~ignored >> t & 1;
        for (uint32_t bits = matched & ~ignored; bits != 0; bits &= bits - 1) {
          const size_t at = own + static_cast<size_t>(std::countr_zero(bits));
          right_[at].counted.push_back(everywhere[a] + others_[at]);
          right_[at].votes.push_back(v);
        }
      }
    }
  }

  // All that curves_ has of the class. What a limit leaves out in no image is as with the next one.
  void fill(size_t label) {
    for (size_t a = 0; a < slice_.areas; ++a) {
      curves_.objects[label * curves_.a + slice_.first_area + a] = count_[a];
      if (count_[a] > 0) needed_[a] = needed_for(protocol_.recalls, count_[a], votes_.size());
    }
    for (size_t m = curves_.m; m-- > 0;) {
      const auto limit = static_cast<uint64_t>(protocol_.limits[m]);
      if (m + 1 == curves_.m || limit < ranks_) walk(limit);
      const bool has_precision = curves_.precision_m == curves_.m || m + 1 == curves_.m;
      for (size_t a = 0; a < slice_.areas; ++a)
        for (size_t t = 0; t < slice_.ious; ++t) {
          const double right = static_cast<double>(right_[a * slice_.ious + t].counted.size());
          const size_t row = (slice_.first_iou + t) * curves_.k + label;
          curves_.recall[(row * curves_.a + slice_.first_area + a) * curves_.m + m] =
              count_[a] == 0 ? no_ground_truth : right / static_cast<double>(count_[a]);
          if (has_precision) fill_precision(a, t, curves_.precision_m == 1 ? 0 : m, limit > 0 && !votes_.empty());
        }
    }
    write_out(label);
  }

  // `found`: the limit leaves detections.
  void fill_precision(size_t a, size_t t, size_t m, bool found) {
    const Right& right = right_[a * slice_.ious + t];
    const size_t step = slice_.areas * curves_.precision_m, first = t * curves_.r * step + a * curves_.precision_m + m;
    double *precision = precision_.data() + first, *score = scores_.data() + first;
    const bool known = count_[a] > 0;
    if (known) best_precisions(right.counted, precisions_);
    bool reached = known && found;
    for (size_t r = 0; r < curves_.r; ++r, precision += step, score += step) {
      *precision = *score = known ? 0 : no_ground_truth;
      const size_t needed = known ? needed_[a][r] : 0;
      reached = reached && needed <= precisions_.size();
      if (!reached) continue;
      if (!precisions_.empty()) *precision = precisions_[needed == 0 ? 0 : needed - 1];
      *score = votes_[needed == 0 ? 0 : right.votes[needed - 1]].score;
    }
  }

  // Row by row: the array's are far from one another.
  void write_out(size_t label) {
    const size_t width = slice_.areas * curves_.precision_m;
    for (size_t row = 0; row < slice_.ious * curves_.r; ++row) {
      const size_t to = curves_.at(slice_.first_iou + row / curves_.r, row % curves_.r, label) +
                        slice_.first_area * curves_.precision_m;
      std::copy_n(precision_.data() + row * width, width, curves_.precision.data() + to);
      if (!curves_.scores.empty()) std::copy_n(scores_.data() + row * width, width, curves_.scores.data() + to);
    }
  }

  const CocoProtocol& protocol_;
  CurvesSlice slice_;
  CocoCurves& curves_;
  ImageMatcher matcher_;
  uint32_t every_bit_;
  // of the class at hand
  std::array<int64_t, most_areas> count_{};  // objects that count
  std::vector<Vote> votes_, sorted_;
  std::vector<uint32_t> starts_;
  std::vector<ImageMatcher::Verdict> verdicts_;  // [·, areas]
  size_t ranks_ = 0;                             // no image has more detections
  std::vector<Right> right_;                     // [areas, ious]
  std::vector<uint32_t> others_;                 // [areas, ious]
  std::vector<std::vector<size_t>> needed_;      // [areas, recalls]
  std::vector<double> precision_, scores_;       // [ious, recalls, areas, limits]
  std::vector<double> precisions_;
};

std::vector<CurvesSlice> curves_slices(const CocoProtocol& protocol) {
  std::vector<CurvesSlice> slices;
  for (size_t t = 0; t < protocol.ious.size(); t += most_thresholds)
    for (size_t a = 0; a < protocol.areas.size(); a += most_areas)
      slices.push_back(
          {t, std::min(most_thresholds, protocol.ious.size() - t), a, std::min(most_areas, protocol.areas.size() - a)});
  return slices;
}

}  // namespace

// numpy.add.reduce on contiguous doubles: eight running sums in blocks of at most 128.
double pairwise_sum(const double* a, size_t n) {
  if (n < 8) return std::accumulate(a, a + n, 0.0);
  if (n > 128) {
    const size_t half = n / 2 - n / 2 % 8;
    return pairwise_sum(a, half) + pairwise_sum(a + half, n - half);
  }
  double r[8];
  std::copy_n(a, 8, r);
  size_t i = 8;
  for (; i + 8 <= n; i += 8) {
    for (int j = 0; j < 8; ++j) r[j] += a[i + j];
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += a[i];
  return sum;
}

double mean_of_known(std::vector<double>& values) {
  std::erase_if(values, [](double value) { return !(value > no_ground_truth); });
  return values.empty() ? no_ground_truth
                        : pairwise_sum(values.data(), values.size()) / static_cast<double>(values.size());
}

// The best precision at a recall or a higher one can only be reached at a right detection.
void best_precisions(std::span<const uint32_t> counted, std::vector<double>& precisions) {
  precisions.resize(counted.size());
  double best = 0;
  for (size_t i = counted.size(); i-- > 0;) {
    const double own =
        static_cast<double>(i + 1) / (static_cast<double>(counted[i]) + std::numeric_limits<double>::epsilon());
    precisions[i] = best = std::max(best, own);
  }
}

// The comparison is that of numpy.searchsorted in the list of recalls, which are these quotients.
std::vector<size_t> needed_for(std::span<const double> recalls, int64_t objects, size_t most) {
  const auto all = static_cast<double>(objects);
  std::vector<size_t> needed;
  for (const double recall : recalls) {
    const auto reaches = [&](size_t right) { return static_cast<double>(right) / all >= recall; };
    auto right = static_cast<size_t>(std::clamp(std::ceil(recall * all), 0.0, static_cast<double>(most) + 1));
    while (right > 0 && reaches(right - 1)) --right;
    while (right <= most && !reaches(right)) ++right;
    needed.push_back(right);
  }
  return needed;
}

CocoPlaces coco_places(const BoxTable& truth, const BoxTable& detections, const CocoProtocol& protocol,
                       size_t workers) {
  const IdIndex images(protocol.images);
  CocoPlaces places{places_of(truth, images, protocol.categories, workers),
                    places_of(detections, images, protocol.categories, workers)};
  if (protocol.one_class) {
    places.truth = as_one_class(places.truth, protocol.images.size());
    places.detections = as_one_class(places.detections, protocol.images.size());
  }
  return places;
}

CocoCurves coco_curves(const BoxTable& truth, const BoxTable& detections, const CocoPlaces& places,
                       const CocoProtocol& protocol, size_t workers) {
  const size_t classes = places.truth.first.size() - 1;
  CocoCurves curves{.t = protocol.ious.size(),
                    .r = protocol.recalls.size(),
                    .k = classes,
                    .a = protocol.areas.size(),
                    .m = protocol.limits.size(),
                    .precision_m = protocol.precision_of_last ? 1 : protocol.limits.size(),
                    .precision = {},
                    .recall = {},
                    .scores = {},
                    .objects = std::vector<int64_t>(classes * protocol.areas.size()),
                    .class_by_class = protocol.class_by_class};
  curves.precision.resize(curves.precision_count());
  curves.recall.resize(curves.recall_count());
  if (protocol.with_scores) curves.scores.resize(curves.precision_count());
  for (const CurvesSlice& slice : curves_slices(protocol)) {
    std::vector<std::unique_ptr<ClassCurves>> own(workers);
    run_tasks(classes, workers, [&](size_t k, size_t worker) {
      if (!own[worker]) own[worker] = std::make_unique<ClassCurves>(truth, detections, protocol, slice, curves);
      own[worker]->evaluate(k, places.truth.of(k), places.detections.of(k));
    });
  }
  return curves;
}

}  // namespace fovea
