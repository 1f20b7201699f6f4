// How the focal loss of a trained network is spread over easy and hard elements: figure 4 of Lin et al. 2017. An
// element is one class of one anchor that takes part in the loss; it is positive where the anchor learns an object of
// this class.
//
// The loss of an element rises with z, its logit with the sign turned for positives, whatever γ is
// (kernels/focal_loss_terms.h). So counts of elements by z give the sorted losses of every γ, in memory that does not
// grow with the images.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/bad_files.h"
#include "tools/data/dataset.h"

namespace fovea {

// Counts by z, in bins around the multiples of kWidth up to ±kEnd; what lies beyond is in the last ones.
class LossHistogram {
 public:
  static constexpr double kWidth = 0x1p-12, kEnd = 128;
  LossHistogram() : counts_(2 * kZero + 1) {}

  void add(float z) {
    const float bin = z * static_cast<float>(1 / kWidth);
    if (bin >= -kLastBin && bin <= kLastBin)
      ++counts_[static_cast<size_t>(std::lrint(bin) + kZero)];
    else
      add_beyond(z);
  }
  int64_t count() const;
  int64_t not_finite() const { return not_finite_; }  // of these: NaN or infinite, which are in no bin

  // Calls f(count, loss of all of them) for each bin that is not empty, z ascending. The loss is not weighted by α.
  void for_each_bin(double gamma, const std::function<void(int64_t, double)>& f) const;

 private:
  static constexpr int64_t kZero = static_cast<int64_t>(kEnd / kWidth);  // the bin of z = 0
  static constexpr float kLastBin = static_cast<float>(kEnd / kWidth);   // counted from there
  void add_beyond(float z);

  std::vector<int64_t> counts_;
  double beyond_ = 0;  // Σ (z − kEnd) of the highest bin, where the loss is z
  int64_t not_finite_ = 0;
};

// The cumulative loss of the elements of a histogram at one γ, without α.
class LossCurve {
 public:
  LossCurve(const LossHistogram& histogram, double gamma);

  double total() const { return steps_.empty() ? 0 : steps_.back().loss; }
  // The share of the loss that the easiest `share` of the elements have (0 … 1), and the hardest: 0 where there is no
  // loss. Right within share_error().
  double of_easiest(double share) const;
  double of_hardest(double share) const { return total() > 0 ? 1 - of_easiest(1 - share) : 0; }

 private:
  struct Step {  // of all elements up to the end of a bin
    double count, loss;
  };
  std::vector<Step> steps_;
};

// The largest error of a share of a loss, as LossCurve gives it. In a bin, z is off by kWidth / 2 at most, and
//   d log loss / dz = γ (1 − p) + p / softplus(z)  is between 0 and γ + 1, as softplus(z) = −log(1 − p) >= p:
// each loss, so also any sum of them, is right within a factor e^±ε, ε = (γ + 1) kWidth / 2 + the error of the formula
// in fp32. A share is A / (A + B), so the logarithm of A / B is off by 2ε at most, and the share by
// tanh(ε / 2). Left out: the losses that are 0 in fp32, 2^−125 each at most.
double share_error(double gamma);

// What takes part in the loss of some images.
struct LossDistribution {
  LossHistogram positives, negatives;
  int64_t images = 0;
  int64_t ignored = 0;  // elements: of anchors that neither fit an object nor miss all, or that lie in ignored regions

  // Of one level of some images: logits [locations, anchors · classes], targets [locations, anchors]: a class,
  // kBackground or kIgnored (kernels/level_view.h).
  void add(std::span<const float> logits, std::span<const int32_t> targets, int classes);
};

// The dataset with the labels of a network, of which categories[label] is what it calls label. Objects of other classes
// are left out: `left_out` is how many.
Dataset labeled_for(const Dataset& dataset, const std::vector<Category>& categories, int64_t& left_out);

// Of all images of the dataset (labeled_for() the network), each prepared as evaluation prepares it.
// `done(images)`: after each image. Throws Error(Data) where the network's outputs are not finite, and what the loader
// throws.
LossDistribution loss_distribution(RetinaNet& model, const Dataset& dataset, const InputConfig& input,
                                   BadFiles& bad_files, const std::function<void(int64_t)>& done);

}  // namespace fovea
