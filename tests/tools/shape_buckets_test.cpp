#include "tools/data/loading/shape_buckets.h"
#include "tools/data/loading/labeled_image.h"

#include <algorithm>

#include "engine/random.h"
#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("shape buckets part the images so that the fewest pixels are padded", "[shape_buckets]") {
  Random random(11, stream::kBenchmark);
  for (int round = 0; round < 20; ++round) {
    Dataset data;
    for (int i = 0; i < 9; ++i)
      data.samples.push_back({.id = i,
                              .file_name = "",
                              .width = 20 + static_cast<int>(random.below(200)),
                              .height = 20 + static_cast<int>(random.below(200)),
                              .objects = {}});
    InputConfig input{.short_side = {64}, .long_side = 160, .pad_to = 8};
    input.shape_buckets = 3;
    const ShapeBuckets buckets(data, input);
    const auto size = [&](const Sample& s) { return padded(resized({s.height, s.width}, 64, 160), 8); };
    int64_t given = 0;
    for (size_t i = 0; i < 9; ++i) {
      const Size2d slot = buckets.slot(buckets.of_samples()[i], 0), own = size(data.samples[i]);
      CHECK((slot.height >= own.height && slot.width >= own.width));
      given += int64_t{slot.height} * slot.width;
    }
    // Every way to part the images, sorted by aspect ratio, in three runs.
    std::vector<Size2d> sorted;
    for (const Sample& s : data.samples) sorted.push_back(size(s));
    std::sort(sorted.begin(), sorted.end(), [](Size2d a, Size2d b) {
      const int left = a.width * b.height, right = b.width * a.height;
      return left != right ? left < right : a.height < b.height;
    });
    int64_t least = INT64_MAX;
    for (size_t first = 0; first <= 9; ++first)
      for (size_t second = first; second <= 9; ++second) {
        const auto cost = [&](size_t from, size_t to) {
          Size2d common{};
          for (size_t i = from; i < to; ++i) common = around(common, sorted[i]);
          return static_cast<int64_t>(to - from) * common.height * common.width;
        };
        least = std::min(least, cost(0, first) + cost(first, second) + cost(second, 9));
      }
    CHECK(given == least);
  }
}
