#include "kernels/channel_slice.h"

#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/tolerance.h"

using namespace fovea;
using namespace fovea::test;

TEMPLATE_TEST_CASE("channels are copied to a slice and back, and nothing beside it is touched", "[channel_slice]",
                   float, bfloat16) {
  using T = TestType;
  struct Case {
    size_t rows, channels, stride, offset;
  };
  const auto [rows, channels, stride, offset] =
      GENERATE(Case{1, 1, 1, 0}, Case{7, 5, 12, 3}, Case{33, 16, 64, 32}, Case{9, 72, 80, 8}, Case{4, 8, 20, 12});
  CAPTURE(rows, channels, stride, offset);
  const auto part = seeded_uniform<T>(rows * channels, 1), whole = seeded_uniform<T>(rows * stride, 2);
  auto filled = whole;
  Reference sum = reference_of(part.size(), [&](size_t i) { return part[i]; });
  std::vector<T> slice(part.size());
  for (size_t row = 0; row < rows; ++row)
    for (size_t c = 0; c < channels; ++c) {
      const size_t i = row * channels + c, in_whole = row * stride + offset + c;
      filled[in_whole] = part[i];
      slice[i] = whole[in_whole];
      sum.add(i, whole[in_whole]);
    }
  const auto pixels = static_cast<int64_t>(rows), width = static_cast<int64_t>(channels),
             pitch = static_cast<int64_t>(stride);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> from(part), to(whole), source(whole), out(part.size()), into(part);
    kernels::copy_channels<T>(queue, pixels, width, {from.data(), width}, {to.data() + offset, pitch}, false);
    CHECK(to.values() == filled);
    kernels::copy_channels<T>(queue, pixels, width, {source.data() + offset, pitch}, {out.data(), width}, false);
    CHECK(out.values() == slice);
    kernels::copy_channels<T>(queue, pixels, width, {source.data() + offset, pitch}, {into.data(), width}, true);
    CHECK_CLOSE(into.values(), sum, 1);
  });
}
