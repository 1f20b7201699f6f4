// What a normalization reads, seeded, and its oracle.
#pragma once
#include <vector>

#include "tests/support/norm_oracle.h"
#include "tests/support/seeded.h"

namespace fovea::test {

// x of channel c lies around c mod 5. The oracle knows no sets yet: whoever makes this sets them, and lets it measure.
template <class T>
struct NormInput {
  std::vector<T> x, dy;
  std::vector<float> gamma, beta;
  NormOracle oracle;

  NormInput(size_t n, size_t channels, bool relu)
      : x(seeded_uniform<T>(n, 1)),
        dy(seeded_uniform<T>(n, 3)),
        gamma(seeded_uniform<float>(channels, 4, -2, 2)),
        beta(seeded_uniform<float>(channels, 5)) {
    for (size_t i = 0; i < n; ++i) x[i] = static_cast<T>(x[i] + static_cast<float>(i % channels % 5));
    oracle.x = to_double(x);
    oracle.channels = channels;
    oracle.gamma = to_double(gamma);
    oracle.beta = to_double(beta);
    oracle.relu = relu;
    oracle.eps = 1e-5f;
  }
};

// fp32 sums of at most 128 rows (a GPU thread's share of a chunk; the CPU's is 16), 4 roundings a term, 4 after the
// sum.
inline constexpr double kNormBackwardRoundings = 128 + 8;

}  // namespace fovea::test
