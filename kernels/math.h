// exp, log, log1p and sigmoid in fp32. CPU: short polynomials that vectorise (libm's calls do not). GPU: the hardware's
// ex2 and lg2 behind the same exact argument reduction, so that the relative error holds for every argument.
//
//   exp      relative error <= kExpError;     exp(+inf) = inf, exp(−inf) = 0; results under 2^−126 are 0
//   log      relative error <= kLogError;     log(0) = −inf, log(x < 0) = NaN, log(inf) = inf; any normal or denormal x
//   log1p    relative error <= kLog1pError;   for x in [0, 1] only
//   sigmoid  relative error <= kSigmoidError; where the result is >= 2^−126, else 0
// NaN in, NaN out. The tests hold these bounds on the CPU over the whole range.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/function.h"

namespace fovea::math {

inline constexpr float kExpError = 1.2e-7f;
inline constexpr float kLogError = 1.2e-7f;
inline constexpr float kLog1pError = 1.2e-7f;
inline constexpr float kSigmoidError = 3e-7f;

FN float exp(float x);
FN float log(float x);
FN float log1p(float x);  // x in [0, 1]
FN float sigmoid(float x);

// The CPU's polynomial on every device: the same bits everywhere, for results that decisions hang on.
FN float portable_exp(float x);

}  // namespace fovea::math
