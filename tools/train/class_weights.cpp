#include "tools/train/class_weights.h"

#include <fmt/format.h>

#include <cmath>

#include "kernels/error.h"

namespace fovea {
namespace {

// (1 − β^n) / (1 − β), also where β is so near 1 that β^n would lose all digits.
double effective_number(double beta, double boxes) { return -std::expm1(boxes * std::log(beta)) / (1 - beta); }

std::vector<int64_t> boxes_of_classes(const Dataset& dataset) {
  std::vector<int64_t> count(dataset.categories.size());
  for (const Sample& sample : dataset.samples)
    for (const Object& object : sample.objects)
      if (!object.crowd) ++count[object.label];
  return count;
}

}  // namespace

LossConfig with_class_weights(const LossConfig& loss, const Dataset& train) {
  const size_t given = loss.class_weights.size(), classes = train.categories.size();
  if (given != 0 && given != classes)
    throw Error(ErrorKind::Usage, fmt::format("model.loss.class_weights has {} values and the dataset {} classes: give "
                                              "one value for each class, in the order of their ids",
                                              given, classes));
  LossConfig weighted = loss;
  if (loss.effective_number == 0) return weighted;
  const std::vector<int64_t> boxes = boxes_of_classes(train);
  double sum = 0;
  int64_t present = 0;
  for (const int64_t n : boxes) {
    weighted.class_weights.push_back(n > 0 ? 1 / effective_number(loss.effective_number, static_cast<double>(n)) : 0);
    sum += weighted.class_weights.back();
    present += n > 0 ? 1 : 0;
  }
  for (double& weight : weighted.class_weights) weight = weight > 0 ? weight * static_cast<double>(present) / sum : 1;
  return weighted;
}

}  // namespace fovea
