#include "tools/train/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/printable.h"
#include "model/size2d.h"
#include "tools/data/formats/category_names.h"
#include "tools/data/loading/labeled_image.h"

namespace fovea {

namespace {

int64_t boxes_under_a_pixel(const Dataset& dataset, const InputConfig& input) {
  int64_t count = 0;
  for (const Sample& sample : dataset.samples) {
    const Size2d size = resized({sample.height, sample.width}, input.short_side.back(), input.long_side);
    const float y = static_cast<float>(size.height) / static_cast<float>(sample.height);
    const float x = static_cast<float>(size.width) / static_cast<float>(sample.width);
    for (const Object& o : sample.objects) count += (o.x2 - o.x1) * x < 1 || (o.y2 - o.y1) * y < 1 ? 1 : 0;
  }
  return count;
}

std::string rate_text(const Schedule& asked, const Schedule& used, int batch) {
  if (asked.reference_batch <= 0 || asked.reference_batch == batch) return fmt::format("{:g}", used.base);
  return fmt::format("{:g} x {} / {} = {:g}", asked.base, batch, asked.reference_batch, used.base);
}

// Section 3.3: what the prior would do where there is as good as none.
std::string prior_note(double prior) {
  if (prior <= 10 * kUsualPrior) return "";
  const double loss = -std::log1p(-prior), usual = -std::log1p(-kUsualPrior);
  return fmt::format(
      "model.head.prior = {:g}: each background anchor starts with a cross entropy of {:.3g} per class, {:.0f} times "
      "that of {:g}; their sum may drown the objects', so that training diverges or stalls\n",
      prior, loss, loss / usual, kUsualPrior);
}

std::string class_weights_text(const std::vector<double>& weights, const std::vector<Category>& categories) {
  constexpr size_t kShown = 10;
  if (weights.empty()) return "";
  std::string text = "class weights:";
  for (size_t c = 0; c < std::min(kShown, weights.size()); ++c)
    text += fmt::format("{} {} {:.3g}", c > 0 ? "," : "", printable(categories[c].name), weights[c]);
  return text + (weights.size() > kShown ? fmt::format(" and {} more\n", weights.size() - kShown) : "\n");
}

}  // namespace

std::string ap_text(int64_t step, const CocoMetrics& metrics, const Dataset& val) {
  return fmt::format("step {}: AP {:.3f}  AP50 {:.3f}  AP75 {:.3f} on {} validation images", step, metrics.values[Ap],
                     metrics.values[Ap50], metrics.values[Ap75], val.samples.size());
}

std::string ap_line(int64_t step, const CocoMetrics& metrics) {
  return fmt::format(
      R"({{"step":{},"ap":{:.17g},"ap50":{:.17g},"ap75":{:.17g},"ap_small":{:.17g},"ap_medium":{:.17g},"ap_large":{:.17g}}})",
      step, metrics.values[Ap], metrics.values[Ap50], metrics.values[Ap75], metrics.values[ApSmall],
      metrics.values[ApMedium], metrics.values[ApLarge]);
}

std::string training_summary(const Config& config, const Schedule& schedule, RetinaNet& model,
                             const std::array<const Dataset*, 2>& data, int ranks) {
  std::string text;
  for (const Dataset* split : data) {
    LoadReport report = split->report;
    if (split != data[0])  // what is true of the folder that both lie in is said once
      std::erase_if(report.warnings, [&](const std::string& line) {
        const auto& said = data[0]->report.warnings;
        return std::find(said.begin(), said.end(), line) != said.end();
      });
    const std::string crowds = report.crowds == 0 ? "" : fmt::format(" and {} regions to ignore", report.crowds);
    text += fmt::format("{}: {} images, {} boxes{}, {} classes\n", split->split, split->samples.size(),
                        report.objects - report.crowds, crowds, split->categories.size());
    text += report.text();
  }
  if (const auto alike = names_alike("train", data[0]->categories, "val", data[1]->categories); !alike.empty())
    text += fmt::format("{}\n", alike);
  if (const int64_t both = images_of_both(*data[0], *data[1]); both > 0)
    text += fmt::format("val: {} of its {} images are images of train too: its AP says little about other images\n",
                        both, data[1]->samples.size());
  if (const int64_t tiny = boxes_under_a_pixel(*data[0], config.input); tiny > 0)
    text +=
        fmt::format("train: {} boxes are less than one pixel wide or high after resizing and never matched\n", tiny);
  text += fmt::format("{}{}", class_weights_text(model.config().loss.class_weights, data[0]->categories),
                      prior_note(config.model.head.prior));
  const int batch = config.train.batch;
  const std::string split = ranks == 1 ? "" : fmt::format(" ({} ranks x {})", ranks, batch / ranks);
  text += fmt::format(
      "{:.2f} M parameters, {:.2f} M trained; {}; learning rate {}; {} steps of {} images{} = {:.1f} epochs\n",
      model.parameters().total_count() / 1e6, model.parameters().trainable_count() / 1e6, model.context().arithmetic(),
      rate_text(config.train.schedule, schedule, batch), config.train.steps, batch, split,
      static_cast<double>(config.train.steps * batch) / static_cast<double>(data[0]->samples.size()));
  return text;
}

}  // namespace fovea
