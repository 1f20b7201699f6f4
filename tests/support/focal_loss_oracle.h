// The focal loss in float64, written from Lin et al. 2017: eq. 5 and, for the gradient, the derivative in appendix B.
#pragma once
#include <cmath>

#include "kernels/level_view.h"

namespace fovea::test::oracle {

struct FocalTerm {
  double loss = 0, gradient = 0;  // d loss / d logit
  double log_power = 0;  // how many times a relative error of the power's logarithm, or of FL*'s argument, counts
  double argument = 0;   // of the exponential
};

// `target`: class, kBackground or kIgnored; `alpha` < 0: no weights.
inline FocalTerm focal_term(double logit, int target, int column, double alpha, double gamma) {
  if (target == kIgnored) return {};
  const bool is_target = target == column;
  const double alpha_t = alpha < 0 ? 1 : is_target ? alpha : 1 - alpha;
  const double y = is_target ? 1 : -1, s = y * logit;
  const double pt = 1 / (1 + std::exp(-s)), wrong = 1 / (1 + std::exp(s));  // pt and 1 − pt
  const double log_pt = s > 0 ? -std::log1p(std::exp(-s)) : s - std::log1p(std::exp(s));
  const double power = std::pow(wrong, gamma);
  return {-alpha_t * power * log_pt, alpha_t * y * power * (gamma * pt * log_pt - wrong), gamma * std::abs(log_pt - s),
          s};  // log(1 − pt) = log pt − s
}

// FL*, appendix A: −log σ(γ s + β) / γ, and its derivative y (σ(γ s + β) − 1).
inline FocalTerm focal_star_term(double logit, int target, int column, double alpha, double gamma, double beta) {
  if (target == kIgnored) return {};
  const bool is_target = target == column;
  const double alpha_t = alpha < 0 ? 1 : is_target ? alpha : 1 - alpha;
  const double y = is_target ? 1 : -1, s = gamma * y * logit + beta;
  const double log_p = s > 0 ? -std::log1p(std::exp(-s)) : s - std::log1p(std::exp(s));
  const double roundings = 2 * (std::abs(gamma * logit) + std::abs(beta));  // of s, which errs by so many units
  return {-alpha_t * log_p / gamma, -alpha_t * y / (1 + std::exp(s)), roundings / 32, s};
}

}  // namespace fovea::test::oracle
