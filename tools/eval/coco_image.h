// COCO's way to tell right detections from wrong ones (pycocotools' evaluateImg): in one image, for one class, at up to
// 32 IoU thresholds at once.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/eval/box_places.h"

namespace fovea {

using AreaLimits = std::array<double, 2>;  // square pixels; both belong to the range

inline bool outside(double area, const AreaLimits& range) { return area < range[0] || area > range[1]; }

constexpr size_t most_thresholds = 32;  // at once: one bit each

class ImageMatcher {
 public:
  // The bits of the thresholds at which a detection is matched, and at which it does not count.
  struct Verdict {
    uint32_t matched, ignored;
  };
  // A detection, best first; equal scores keep the order of the table.
  struct Found {
    Rectangle box;
    double score, area;
    uint32_t at;           // in the table
    uint32_t first, last;  // its candidates
  };
  struct Wanted {
    Rectangle box;
    double area;
    int64_t id;
    uint32_t at;
    bool crowd;
  };

  // At most `limit` detections an image. The tables have to stay.
  ImageMatcher(const BoxTable& truth, const BoxTable& detections, std::span<const double> thresholds, size_t limit);

  void load(std::span<const Place> objects, std::span<const Place> detections);
  std::span<const Found> detections() const { return found_; }
  std::span<const Wanted> objects() const { return wanted_; }

  // Whether the detection lies on an object, at the lowest threshold.
  static bool has_candidates(const Found& found) { return found.first < found.last; }
  // Whether an object does not count for sizes of this range.
  static bool is_ignored(const Wanted& object, const AreaLimits& range) {
    return object.crowd || outside(object.area, range);
  }

  // Calls `verdict(d, Verdict)` for each detection, from the best down, and before it `match(d, g, bits)` for the
  // objects that are given to it.
  template <class Match, class Tell>
  void judge(const AreaLimits& range, Match&& match, Tell&& verdict) {
    ignored_.clear();
    for (const Wanted& object : wanted_) ignored_.push_back(is_ignored(object, range));
    taken_.assign(wanted_.size(), 0);
    for (size_t d = 0; d < found_.size(); ++d) {
      const Found& found = found_[d];
      const bool takes = !detections_.ids || detections_.ids[found.at] > 0;
      uint32_t free = every_bit_, matched = 0, ignored = 0;
      for (const uint8_t ignoring : {0, 1}) {  // objects that count come before the others
        for (uint32_t c = found.first; c < found.last && free != 0; ++c) {
          const auto [g, bits, overlap] = candidates_[c];
          if (ignored_[g] != ignoring) continue;
          const uint32_t taken = bits & free & (wanted_[g].crowd ? ~uint32_t{0} : ~taken_[g]);
          if (taken == 0) continue;
          match(d, g, taken);
          free &= ~taken;
          if (takes) taken_[g] |= taken;
          if (wanted_[g].id != 0) matched |= taken;
          if (ignoring != 0) ignored |= taken;
        }
      }
      if (outside(found.area, range)) ignored |= every_bit_ & ~matched;
      verdict(d, Verdict{matched, ignored});
    }
  }

 private:
  // The best of a detection stand first: of equal ones the last of the table.
  struct Candidate {
    uint32_t object, bits;  // of the thresholds that it reaches
    double overlap;
  };
  void find_candidates(Found& found);

  const BoxTable &truth_, &detections_;
  std::vector<double> thresholds_;
  double lowest_;
  uint32_t every_bit_;
  size_t limit_;
  std::vector<Wanted> wanted_;
  std::vector<Found> found_;
  std::vector<Candidate> candidates_;
  std::vector<uint32_t> taken_;
  std::vector<uint8_t> ignored_;
};

// Best first, and otherwise as it is; lists are short or nearly in order.
template <class Scored>
void sort_best_first(Scored* begin, Scored* end) {
  constexpr ptrdiff_t few = 24;
  const auto is_better = [](const Scored& a, const Scored& b) { return a.score > b.score; };
  if (std::is_sorted(begin, end, is_better)) return;
  if (end - begin > few) return std::stable_sort(begin, end, is_better);
  for (Scored* next = begin + 1; next < end; ++next) {
    const Scored moved = *next;
    Scored* to = next;
    for (; to > begin && moved.score > to[-1].score; --to) *to = to[-1];
    *to = moved;
  }
}

}  // namespace fovea
