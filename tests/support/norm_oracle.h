// float64 reference of batch and group normalization, written once over "sets": the elements that share a mean and a
// variance (all of a channel; an image's group of channels). gamma and beta belong to the channel = i % channels.
#pragma once
#include <cstddef>
#include <functional>
#include <vector>

#include "tests/support/tolerance.h"

namespace fovea::test {

struct NormOracle {
  std::vector<double> x;
  size_t channels = 0, sets = 0;
  std::function<size_t(size_t)> set_of;  // of element i
  std::vector<double> gamma, beta;
  double eps = 1e-5;
  std::vector<double> add;  // empty: none
  bool relu = false;

  // Of each set.
  std::vector<double> mean, var, count;
  void measure();
  double normalized(size_t i) const;

  Reference forward() const;  // after measure()

  struct Gradients {
    Reference dx, dgamma, dbeta;
  };
  // g: the gradient of the output, already masked by the ReLU.
  Gradients backward(const std::vector<double>& g) const;

 private:
  double invstd(size_t set) const;
};

}  // namespace fovea::test
