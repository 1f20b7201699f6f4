#include "tools/data/loading/shape_buckets.h"

#include "kernels/launch/math.h"
#include "tools/data/loading/labeled_image.h"

#include <algorithm>
#include <limits>
#include <map>

namespace fovea {

Size2d padded(Size2d size, int pad_to) {
  const auto up = [&](int side) { return round_up(side, pad_to); };
  return {up(size.height), up(size.width)};
}

Size2d around(Size2d a, Size2d b) { return {std::max(a.height, b.height), std::max(a.width, b.width)}; }

Size2d fitted(Size2d size, Size2d slot) {
  if (size.height <= slot.height && size.width <= slot.width) return size;
  const double scale =
      std::min(slot.height / static_cast<double>(size.height), slot.width / static_cast<double>(size.width));
  const auto side = [&](int full, int room) { return std::clamp(static_cast<int>(full * scale), 1, room); };
  return {side(size.height, slot.height), side(size.width, slot.width)};
}

namespace {

struct Kind {  // images of one padded size
  Size2d size;
  int64_t images;
};

int64_t area(Size2d size) { return int64_t{size.height} * size.width; }

// Parts `kinds`, in their order, into at most `parts` runs, so that Σ images · area of the run's common size is the
// least. Returns where each run ends. Dynamic programming: least[p][n] is the cost of the first n kinds in p runs.
std::vector<size_t> runs_of_least_area(const std::vector<Kind>& kinds, size_t parts) {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  const size_t count = kinds.size();
  std::vector<std::vector<int64_t>> least(parts + 1, std::vector<int64_t>(count + 1, kNever));
  std::vector<std::vector<size_t>> begin(parts + 1, std::vector<size_t>(count + 1, 0));
  least[0][0] = 0;
  for (size_t p = 1; p <= parts; ++p) {
    for (size_t end = 1; end <= count; ++end) {
      Size2d common{};
      int64_t images = 0;
      for (size_t from = end; from-- > 0;) {
        common = around(common, kinds[from].size);
        images += kinds[from].images;
        if (least[p - 1][from] == kNever) continue;
        const int64_t cost = least[p - 1][from] + images * area(common);
        if (cost >= least[p][end]) continue;
        least[p][end] = cost;
        begin[p][end] = from;
      }
    }
  }
  size_t best = 1;
  for (size_t p = 2; p <= parts; ++p)
    if (least[p][count] < least[best][count]) best = p;
  std::vector<size_t> ends;
  for (size_t p = best, end = count; p > 0; end = begin[p--][end]) ends.insert(ends.begin(), end);
  return ends;
}

}  // namespace

ShapeBuckets::ShapeBuckets(const Dataset& dataset, const InputConfig& input) {
  if (input.shape_buckets == 0) return;
  const int largest = *std::max_element(input.short_side.begin(), input.short_side.end());
  const auto size_of = [&](const Sample& sample, int short_side) {
    return padded(resized({sample.height, sample.width}, short_side, input.long_side), input.pad_to);
  };
  const auto by_ratio = [](Size2d a, Size2d b) {  // width / height; and all sizes in some order
    const int64_t left = int64_t{a.width} * b.height, right = int64_t{b.width} * a.height;
    return left != right ? left < right : a.height < b.height;
  };
  std::map<Size2d, int64_t, decltype(by_ratio)> images(by_ratio);
  for (const Sample& sample : dataset.samples) ++images[size_of(sample, largest)];
  std::vector<Kind> kinds;
  for (const auto& [size, count] : images) kinds.push_back({size, count});
  const auto ends = runs_of_least_area(kinds, std::min<size_t>(kinds.size(), static_cast<size_t>(input.shape_buckets)));

  std::map<Size2d, uint32_t, decltype(by_ratio)> bucket_of(by_ratio);
  for (size_t kind = 0, bucket = 0; kind < kinds.size(); ++kind) {
    if (kind == ends[bucket]) ++bucket;
    bucket_of[kinds[kind].size] = static_cast<uint32_t>(bucket);
  }
  slots_.assign(input.short_side.size(), std::vector<Size2d>(ends.size()));
  for (const Sample& sample : dataset.samples) {
    const uint32_t bucket = bucket_of.at(size_of(sample, largest));
    of_samples_.push_back(bucket);
    for (size_t scale = 0; scale < slots_.size(); ++scale)
      slots_[scale][bucket] = around(slots_[scale][bucket], size_of(sample, input.short_side[scale]));
  }
}

}  // namespace fovea
