// The focal loss over the probability of the right answer, drawn from the kernel that training runs: figure 1 of Lin et
// al. 2017, and its derivative, figure 6 of their appendix B.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "tools/report/chart.h"

namespace fovea {

// At one logit of the right answer: pt = σ(logit), the loss without α, and its derivative by the logit.
struct LossPoint {
  double logit, probability, loss, derivative;
};
struct GammaCurve {
  double gamma;
  std::vector<LossPoint> points;  // logits ascending
};

// Runs kernels::focal_loss on the CPU for each point: pt from 0.0003 to 0.9997, γ = 0, 0.5, 1, 2, 5 as in the paper.
std::vector<GammaCurve> loss_curves();

Chart loss_curves_chart(const std::vector<GammaCurve>& curves);
std::string loss_curves_csv(const std::vector<GammaCurve>& curves);

// The files of write_loss_curves().
inline constexpr const char* kLossCurveFiles[] = {"curves.csv", "curves.png", "curves.svg"};
// Into the folder, which is made. Throws ErrorKind::Runtime when something cannot be written.
void write_loss_curves(const std::filesystem::path& folder, const std::vector<GammaCurve>& curves);

}  // namespace fovea
