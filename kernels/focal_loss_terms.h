// Focal loss, Lin et al. 2017, eq. 5:  FL(pt) = −αt (1 − pt)^γ log pt,  pt = σ(s), s = +logit for the target class and
// −logit for all others. With z = −s and p = σ(z) = 1 − pt (the probability of being wrong), both stable at any z:
//   loss     = αt p^γ softplus(z)                        softplus(z) = −log pt = max(z, 0) + log1p(e^−|z|)
//   dloss/dz = αt p^γ (γ (1 − p) softplus(z) + p)        a sum of terms >= 0: nothing cancels
// and dloss/dlogit = ∓dloss/dz. FL*, appendix A, is a cross entropy of other logits:  FL*(pt) = −log σ(γ s + β) / γ,
//   with u = γ z − β:  loss = αt softplus(u) / γ        dloss/dz = αt σ(u)
#pragma once
#include <cmath>

#include "kernels/launch/function.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {

enum class LossForm : uint8_t { CrossEntropy, GammaTwo, AnyGamma, Star };

struct Focus {
  float gamma, beta;
  float per_gamma;  // 1 / gamma
};

// Loss and gradient by z of one element, without αt and scale, in factors.
struct FocalTerm {
  float power, softplus, inner;
  FOVEA_HD float loss() const { return power * softplus; }
  FOVEA_HD float derivative() const { return power * inner; }
};

inline constexpr float kNoLogit = -1e4f;  // stands for padding: its loss and its gradient are 0, FL*'s too

template <LossForm FORM>
FOVEA_HD FocalTerm focal_term(float z, const Focus& focus) {
  if constexpr (FORM == LossForm::Star) z = math::fma(focus.gamma, z, -focus.beta);  // u
  const float e = math::approx_exp(-fabsf(z));
  const float larger = math::hardware_reciprocal(1.f + e);  // σ(|z|)
  const float p = z < 0.f ? e * larger : larger, pt = z < 0.f ? larger : e * larger;
  const float softplus = math::hardware_log1p(e, z > 0.f ? z : 0.f);
  if constexpr (FORM == LossForm::CrossEntropy) {
    return {1.f, softplus, p};
  } else if constexpr (FORM == LossForm::Star) {
    return {1.f, softplus * focus.per_gamma, p};
  } else if constexpr (FORM == LossForm::GammaTwo) {
    return {p * p, softplus, math::fma(2.f * pt, softplus, p)};
  } else {
    const float log_p = -math::hardware_log1p(e, z < 0.f ? -z : 0.f);  // log p = −softplus(−z)
    const float power = math::approx_exp(focus.gamma * log_p);
    return {power, softplus, math::fma(focus.gamma * pt, softplus, p)};
  }
}

// The focal loss for any γ >= 0. On the CPU the relative error of the loss is at most kFocalTermError: where γ is
// neither 0 nor 2, p^γ = exp(γ log p), and γ |log p| <= 87 multiplies the errors of log p and γ (5e-7). Powers under
// 2^−125 are 0.
inline constexpr double kFocalTermError = 5e-5;
FOVEA_HD FocalTerm focal_term(float z, float gamma) {
  const Focus focus{gamma, 0.f, 0.f};
  if (gamma == 2.f) return focal_term<LossForm::GammaTwo>(z, focus);
  if (gamma == 0.f) return focal_term<LossForm::CrossEntropy>(z, focus);
  return focal_term<LossForm::AnyGamma>(z, focus);
}

// Loss of the element at x, its gradient into g and added to `bias`.
template <LossForm FORM, class T>
FOVEA_HD float focal_element(const T& x, T& g, float* bias, bool is_target, float weight, const Focus& focus) {
  const float sign = is_target ? -1.f : 1.f;
  const FocalTerm term = focal_term<FORM>(sign * float(x), focus);
  const float d_loss_d_logit = sign * weight * term.derivative();
  g = T(d_loss_d_logit);
  *bias += d_loss_d_logit;
  return weight * term.loss();
}

}  // namespace fovea::kernels
