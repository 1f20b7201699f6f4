#include "tools/study/loss_distribution.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "engine/printable.h"
#include "engine/repeated_work.h"
#include "kernels/focal_loss_terms.h"
#include "kernels/level_view.h"
#include "model/levels.h"
#include "tools/data/loading/batch.h"
#include "tools/data/loading/loader.h"
#include "tools/data/loading/pixels.h"

namespace fovea {

namespace {

constexpr size_t kKeptShapes = 40;  // whose inputs are kept: COCO's images have some thirty

// Runs the network over images one by one and adds up what it says.
class DistributionPass {
 public:
  DistributionPass(RetinaNet& model, const InputConfig& input)
      : model_(model), input_(input), pixels_(model.context()), inputs_(kKeptShapes) {}

  void add(const std::vector<LoadedImage>& image) {
    Context& context = model_.context();
    const BatchShape shape = shape_of(image, input_);
    BatchInput& input = inputs_.at(shape, [&] { return BatchInput(context, shape, input_); });
    input.load(image, pixels_.upload(image));
    const DeviceBatch batch = input.prepare();
    Tape tape(context, /*training=*/false);
    const Outputs outputs = model_.forward(tape, batch.images);
    const auto targets = model_.anchor_targets(outputs, batch.size, batch.truth).to_host<int32_t>();
    pixels_.used();
    add_levels(outputs, targets);
    ++distribution.images;
    if (distribution.positives.not_finite() + distribution.negatives.not_finite() > 0)
      throw Error(ErrorKind::Data,
                  fmt::format("{}: the network gives logits that are not finite (NaN, inf), which have no share of a "
                              "loss: use other weights",
                              printable(image[0].sample->file_name)));
  }

  LossDistribution distribution;

 private:
  void add_levels(const Outputs& outputs, const std::vector<int32_t>& targets) {
    const int anchors = model_.config().anchors.per_location(), classes = model_.config().classes;
    size_t first = 0;
    for (const Tensor& level : outputs.logits) {
      const size_t count = static_cast<size_t>(level.height()) * static_cast<size_t>(level.width() * anchors);
      distribution.add(values_of(level, 1, anchors * classes), std::span(targets).subspan(first, count), classes);
      first += count;
    }
  }

  RetinaNet& model_;
  InputConfig input_;
  PixelStaging pixels_;
  RecentlyUsed<BatchShape, BatchInput> inputs_;
};

}  // namespace

int64_t LossHistogram::count() const { return std::accumulate(counts_.begin(), counts_.end(), not_finite_); }

void LossHistogram::add_beyond(float z) {
  if (!std::isfinite(z)) {
    ++not_finite_;
  } else {
    ++(z < 0 ? counts_.front() : counts_.back());
    if (z > 0) beyond_ += double{z} - kEnd;
  }
}

void LossHistogram::for_each_bin(double gamma, const std::function<void(int64_t, double)>& f) const {
  for (size_t bin = 0; bin < counts_.size(); ++bin) {
    if (counts_[bin] == 0) continue;
    const auto z = static_cast<float>((static_cast<double>(bin) - static_cast<double>(kZero)) * kWidth);
    const double loss =
        static_cast<double>(counts_[bin]) * double{kernels::focal_term(z, static_cast<float>(gamma)).loss()};
    f(counts_[bin], bin + 1 == counts_.size() ? loss + beyond_ : loss);
  }
}

LossCurve::LossCurve(const LossHistogram& histogram, double gamma) {
  Step sum{0, 0};
  histogram.for_each_bin(gamma, [&](int64_t count, double loss) {
    sum = {sum.count + static_cast<double>(count), sum.loss + loss};
    steps_.push_back(sum);
  });
}

double LossCurve::of_easiest(double share) const {
  if (!(total() > 0)) return 0;
  const double wanted = std::clamp(share, 0.0, 1.0) * steps_.back().count;
  const auto step = std::lower_bound(steps_.begin(), steps_.end(), wanted,
                                     [](const Step& one, double count) { return one.count < count; });
  const Step before = step == steps_.begin() ? Step{0, 0} : step[-1];
  // The elements of a bin count as equal.
  const double part = (wanted - before.count) / (step->count - before.count);
  return (before.loss + part * (step->loss - before.loss)) / total();
}

double share_error(double gamma) {
  return std::tanh(((gamma + 1) * LossHistogram::kWidth / 2 + kernels::kFocalTermError) / 2);
}

void LossDistribution::add(std::span<const float> logits, std::span<const int32_t> targets, int classes) {
  const auto columns = static_cast<size_t>(classes);
  require(logits.size() == targets.size() * columns, "logits and targets of different numbers of anchors");
  for (size_t anchor = 0; anchor < targets.size(); ++anchor) {
    const int32_t target = targets[anchor];
    if (target == kIgnored) {
      ignored += classes;
      continue;
    }
    const auto own = logits.subspan(anchor * columns, columns);
    for (size_t c = 0; c < columns; ++c)
      if (static_cast<int32_t>(c) == target)
        positives.add(-own[c]);
      else
        negatives.add(own[c]);
  }
}

Dataset labeled_for(const Dataset& dataset, const std::vector<Category>& categories, int64_t& left_out) {
  std::map<int64_t, int> label_of;
  for (size_t label = 0; label < categories.size(); ++label) label_of[categories[label].id] = static_cast<int>(label);
  left_out = 0;
  Dataset labeled = dataset;
  labeled.categories = categories;
  for (Sample& sample : labeled.samples)
    left_out += static_cast<int64_t>(std::erase_if(sample.objects, [&](Object& object) {
      const auto found = label_of.find(dataset.categories[static_cast<size_t>(object.label)].id);
      if (found != label_of.end()) object.label = found->second;
      return found == label_of.end();
    }));
  return labeled;
}

LossDistribution loss_distribution(RetinaNet& model, const Dataset& dataset, const InputConfig& input,
                                   BadFiles& bad_files, const std::function<void(int64_t)>& done) {
  Loader loader(dataset, input, {.batch = 1, .training = false}, bad_files);
  DistributionPass pass(model, input);
  for (auto image = loader.next(); !image.empty(); image = loader.next()) {
    pass.add(image);
    done(pass.distribution.images);
  }
  return std::move(pass.distribution);
}

}  // namespace fovea
