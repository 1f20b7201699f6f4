#include "tools/study/loss_curves.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include "kernels/focal_loss.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace {

constexpr double kGammas[] = {0, 0.5, 1, 2, 5};
constexpr double kLastLogit = 8, kLogitStep = 1.0 / 32;
constexpr double kShownLoss = 5, kShownLogit = 6;  // as far as the figures go

// The loss kernel on one logit at a time: of an image with one anchor of one class, which is its target.
class OneLogit {
 public:
  explicit OneLogit(double gamma) {
    LevelView<float> view;
    view.data[0] = &logit_;
    view.first_anchor[1] = 1;
    view.levels = view.images = view.anchors_per_location = view.columns = view.pixel_stride = 1;
    args_ = {.logits = view,
             .gradient = view,
             .targets = &target_,
             .scale = &scale_,
             .alpha = -1,
             .gamma = static_cast<float>(gamma),
             .loss = &loss_};
    workspace_.resize(kernels::focal_loss_workspace(args_) / sizeof(Line) + 1);
    args_.workspace = workspace_.data();
  }
  OneLogit(const OneLogit&) = delete;
  OneLogit& operator=(const OneLogit&) = delete;

  LossPoint at(double logit) {
    logit_ = static_cast<float>(logit);
    kernels::focal_loss(queue_, args_);
    return {logit, 1 / (1 + std::exp(-logit)), loss_, /*derivative=*/logit_};  // the gradient overwrites the logits
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  Queue queue_;
  kernels::FocalLossArgs<float> args_;
  std::vector<Line> workspace_;
  float logit_ = 0, scale_ = 1, loss_ = 0;
  int32_t target_ = 0;
};

}  // namespace

std::vector<GammaCurve> loss_curves() {
  std::vector<GammaCurve> curves;
  for (const double gamma : kGammas) {
    OneLogit kernel(gamma);
    GammaCurve curve{.gamma = gamma, .points = {}};
    for (double logit = -kLastLogit; logit <= kLastLogit; logit += kLogitStep) curve.points.push_back(kernel.at(logit));
    curves.push_back(std::move(curve));
  }
  return curves;
}

Chart loss_curves_chart(const std::vector<GammaCurve>& curves) {
  Panel loss{.title = "loss at γ =",
             .series = {},
             .x_label = "probability of the right answer, pₜ",
             .x_range = AxisRange{0, 1},
             .y_range = AxisRange{0, kShownLoss}};
  Panel derivative{.title = "derivative by the logit at γ =",
                   .series = {},
                   .x_label = "logit of the right answer",
                   .x_range = AxisRange{-kShownLogit, kShownLogit}};
  for (const GammaCurve& curve : curves) {
    Series of_probability{.name = fmt::format("{:g}", curve.gamma), .points = {}};
    Series of_logit{.name = of_probability.name, .points = {}};
    for (const LossPoint& point : curve.points) {
      if (point.loss <= kShownLoss) of_probability.points.push_back({point.probability, point.loss});
      if (std::abs(point.logit) <= kShownLogit) of_logit.points.push_back({point.logit, point.derivative});
    }
    loss.series.push_back(std::move(of_probability));
    derivative.series.push_back(std::move(of_logit));
  }
  return {"Focal loss: −(1 − pₜ)ᵞ log pₜ", "", {std::move(loss), std::move(derivative)}};
}

std::string loss_curves_csv(const std::vector<GammaCurve>& curves) {
  std::string text =
      fmt::format("# {}: focal loss and its derivative by the logit of the right answer\nlogit,pt", kMark);
  for (const GammaCurve& curve : curves) text += fmt::format(",loss_gamma_{0:g},derivative_gamma_{0:g}", curve.gamma);
  text += '\n';
  for (size_t i = 0; i < curves.at(0).points.size(); ++i) {
    text += fmt::format("{},{:.7g}", curves[0].points[i].logit, curves[0].points[i].probability);
    for (const GammaCurve& curve : curves)
      text += fmt::format(",{:.7g},{:.7g}", curve.points[i].loss, curve.points[i].derivative);
    text += '\n';
  }
  return text;
}

void write_loss_curves(const std::filesystem::path& folder, const std::vector<GammaCurve>& curves) {
  const Unbroken all_of_them;
  make_folder(folder);
  write_chart(folder / "curves", loss_curves_chart(curves));
  write_file(folder / "curves.csv", loss_curves_csv(curves));
}

}  // namespace fovea
