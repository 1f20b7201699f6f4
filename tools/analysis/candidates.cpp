#include "tools/analysis/candidates.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/levels.h"
#include "model/names.h"

namespace fovea {

namespace {

constexpr int kSample = 4;  // images that are read back

int64_t sampled(const Outputs& outputs) { return std::min<int64_t>(kSample, outputs.logits[0].batch()); }

int columns_of(const RetinaNet& model) { return model.config().anchors.per_location() * model.config().classes; }

double threshold_of(const RetinaNet& model) {
  const double score = model.config().detect.score_threshold;
  return std::log(score / (1 - score));
}

// The logits of all levels, without the mean of each output, and these means.
struct Centered {
  std::vector<float> logits;
  std::vector<double> means;
};

Centered centered(const RetinaNet& model, const Outputs& outputs) {
  Centered all;
  const auto columns = static_cast<size_t>(columns_of(model));
  all.means.resize(columns);
  for (const Tensor& level : outputs.logits) {
    const std::vector<float> logits = values_of(level, sampled(outputs), columns_of(model));
    all.logits.insert(all.logits.end(), logits.begin(), logits.end());
  }
  for (size_t i = 0; i < all.logits.size(); ++i) all.means[i % columns] += all.logits[i];
  const size_t rows = all.logits.size() / columns;
  for (double& mean : all.means) mean /= static_cast<double>(rows);
  for (size_t i = 0; i < all.logits.size(); ++i) all.logits[i] -= static_cast<float>(all.means[i % columns]);
  return all;
}

template <class Change>
void change(RetinaNet& model, const std::string& name, const Change& to) {
  Parameter* parameter = model.parameters().find(name);
  require(parameter != nullptr, "the network has no classification head");
  std::vector<float> values = parameter->value.to_host<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = to(values[i], i);
  parameter->value.upload(values);
}

}  // namespace

std::vector<double> candidates_by_level(const RetinaNet& model, const Outputs& outputs) {
  const int64_t images = sampled(outputs);
  const auto threshold = static_cast<float>(threshold_of(model));
  std::vector<double> counts;
  for (const Tensor& level : outputs.logits) {
    const std::vector<float> logits = values_of(level, images, columns_of(model));
    const auto passing = std::count_if(logits.begin(), logits.end(), [&](float logit) { return logit > threshold; });
    counts.push_back(static_cast<double>(passing) / static_cast<double>(images));
  }
  return counts;
}

void give_candidates(RetinaNet& model, const Outputs& outputs, int64_t wanted) {
  Centered all = centered(model, outputs);
  const auto count = static_cast<int64_t>(all.logits.size());
  const int64_t passing = std::min(wanted * sampled(outputs), count / 10);
  std::nth_element(all.logits.begin(), all.logits.begin() + passing, all.logits.end(), std::greater<>());
  const double least = all.logits[static_cast<size_t>(passing)],
               squares = std::inner_product(all.logits.begin(), all.logits.end(), all.logits.begin(), 0.0),
               scale = 1 / std::sqrt(squares / static_cast<double>(count)), threshold = threshold_of(model);
  change(model, names::logits_weight(), [&](float weight, size_t) { return static_cast<float>(weight * scale); });
  // logit = scale · (w x) + bias, where w x = what was there − the bias before
  change(model, names::logits_bias(), [&](float before, size_t column) {
    return static_cast<float>(threshold - scale * (least + all.means[column] - before));
  });
  model.parameters().touch();
}

}  // namespace fovea
