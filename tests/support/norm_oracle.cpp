#include "tests/support/norm_oracle.h"

#include <cmath>

namespace fovea::test {

void NormOracle::measure() {
  mean.assign(sets, 0);
  var.assign(sets, 0);
  count.assign(sets, 0);
  for (size_t i = 0; i < x.size(); ++i) {
    mean[set_of(i)] += x[i];
    count[set_of(i)] += 1;
  }
  for (size_t s = 0; s < sets; ++s) mean[s] /= count[s];
  for (size_t i = 0; i < x.size(); ++i) var[set_of(i)] += (x[i] - mean[set_of(i)]) * (x[i] - mean[set_of(i)]);
  for (size_t s = 0; s < sets; ++s) var[s] /= count[s];
}

double NormOracle::invstd(size_t set) const { return 1 / std::sqrt(var[set] + eps); }

double NormOracle::normalized(size_t i) const { return (x[i] - mean[set_of(i)]) * invstd(set_of(i)); }

Reference NormOracle::forward() const {
  Reference y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % channels, s = set_of(i);
    y.add(i, x[i] * invstd(s) * gamma[c]);
    y.add(i, -mean[s] * invstd(s) * gamma[c]);
    y.add(i, beta[c]);
    if (!add.empty()) y.add(i, add[i]);
    if (relu && y.ref[i] < 0) y.ref[i] = 0;
  }
  return y;
}

// With h = gamma·g:  dx = invstd·(h − mean_set(h) − x̂·mean_set(h·x̂)),  dgamma = Σ g·x̂,  dbeta = Σ g.
NormOracle::Gradients NormOracle::backward(const std::vector<double>& g) const {
  Gradients out{Reference(x.size()), Reference(channels), Reference(channels)};
  std::vector<double> mean_h(sets), mean_hx(sets), mag_h(sets), mag_hx(sets);
  const auto size_of_normalized = [&](size_t i) {  // of the two terms that x̂ is the difference of
    return (std::abs(x[i]) + std::abs(mean[set_of(i)])) * invstd(set_of(i));
  };
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % channels, s = set_of(i);
    const double h = gamma[c] * g[i];
    mean_h[s] += h / count[s];
    mean_hx[s] += h * normalized(i) / count[s];
    mag_h[s] += std::abs(h) / count[s];
    mag_hx[s] += std::abs(h) * size_of_normalized(i) / count[s];
    out.dbeta.add(c, g[i]);
    out.dgamma.ref[c] += g[i] * normalized(i);
    out.dgamma.mag[c] += std::abs(g[i]) * size_of_normalized(i);
  }
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % channels, s = set_of(i);
    const double h = gamma[c] * g[i];
    out.dx.ref[i] = invstd(s) * (h - mean_h[s] - normalized(i) * mean_hx[s]);
    out.dx.mag[i] = invstd(s) * (std::abs(h) + mag_h[s] + size_of_normalized(i) * mag_hx[s]);
  }
  return out;
}

}  // namespace fovea::test
