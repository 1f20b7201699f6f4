// Focal loss, Lin et al. 2017, eq. 5:  FL(pt) = −αt (1 − pt)^γ log pt,  pt = σ(s), s = +logit for the target class and
// −logit for all others. With z = −s and p = σ(z) = 1 − pt (the probability of being wrong), both stable at any z:
//   loss     = αt p^γ softplus(z)                        softplus(z) = −log pt = max(z, 0) + log1p(e^−|z|)
//   dloss/dz = αt p^γ (γ (1 − p) softplus(z) + p)        a sum of terms >= 0: nothing cancels
// and dloss/dlogit = ∓dloss/dz.
#pragma once
#include <cstdint>

#include "kernels/launch/function.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {

enum class Gamma : uint8_t { Zero, Two, Any };

// Loss and gradient by z of one element, without αt and scale, in factors.
struct FocalTerm {
  float power, softplus, inner;
  FOVEA_HD float loss() const { return power * softplus; }
  FOVEA_HD float derivative() const { return power * inner; }
};

template <Gamma GAMMA>
FOVEA_HD FocalTerm focal_term(float z, float gamma) {
  const float e = math::approx_exp(-fabsf(z));
  const float larger = math::hardware_reciprocal(1.f + e);  // σ(|z|)
  const float p = z < 0.f ? e * larger : larger, pt = z < 0.f ? larger : e * larger;
  const float softplus = math::hardware_log1p(e, z > 0.f ? z : 0.f);
  if constexpr (GAMMA == Gamma::Zero) {
    return {1.f, softplus, p};
  } else if constexpr (GAMMA == Gamma::Two) {
    return {p * p, softplus, math::fma(2.f * pt, softplus, p)};
  } else {
    const float log_p = -math::hardware_log1p(e, z < 0.f ? -z : 0.f);  // log p = −softplus(−z)
    const float power = math::approx_exp(gamma * log_p);
    return {power, softplus, math::fma(gamma * pt, softplus, p)};
  }
}

// The same for any γ >= 0. On the CPU the relative error of the loss is at most kFocalTermError: where γ is neither 0
// nor 2, p^γ = exp(γ log p), and γ |log p| <= 87 multiplies the errors of log p and γ (5e-7). Powers under 2^−125 are
// 0.
inline constexpr double kFocalTermError = 5e-5;
FOVEA_HD FocalTerm focal_term(float z, float gamma) {
  if (gamma == 2.f) return focal_term<Gamma::Two>(z, gamma);
  if (gamma == 0.f) return focal_term<Gamma::Zero>(z, gamma);
  return focal_term<Gamma::Any>(z, gamma);
}

}  // namespace fovea::kernels
