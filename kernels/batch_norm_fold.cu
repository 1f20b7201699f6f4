// The frozen batch norm as part of the convolution before it (kernels/batch_norm.h): s = gamma / sqrt(var + eps),
//   folded_weight = weight·s,  folded_bias = beta + (bias − mean)·s
// backward: dweight = d(folded_weight)·s,  dbias = d(folded_bias)·s
#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/launch/launch.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

FOVEA_HD float fold_scale(const BatchNormFold& fold, int64_t o) {
  return fold.gamma[o] / std::sqrt(fold.var[o] + fold.eps);
}

template <class T>
struct FoldWeight {
  BatchNormFold fold;
  const float* weight;
  T* folded_weight;

  struct AtRow {
    const float* weight;
    T* folded;
    float scale;
    template <int W>
    FOVEA_HD void operator()(int64_t i) const {
      const auto in = load_pack<W>(weight + i);
      Pack<T, W> out;
      for (int k = 0; k < W; ++k) out[k] = static_cast<T>(in[k] * scale);
      store_pack(folded + i, out);
    }
  };
  FOVEA_HD AtRow row(int64_t o) const {
    const int64_t first = o * fold.weights_per_channel;
    return {weight + first, folded_weight + first, fold_scale(fold, o)};
  }
};

struct FoldBias {
  BatchNormFold fold;
  float *folded_bias, *s;
  FOVEA_HD void operator()(int64_t o) const {
    const float scale = fold_scale(fold, o);
    folded_bias[o] = fold.beta[o] + ((fold.bias != nullptr ? fold.bias[o] : 0.f) - fold.mean[o]) * scale;
    if (s != nullptr) s[o] = scale;
  }
};

struct FoldBackward {
  BatchNormFold fold;
  const float* folded_dweight;
  float* dweight;
  bool accumulate;

  struct AtRow {
    const float* folded;
    float* dweight;
    float scale;
    bool accumulate;
    template <int W>
    FOVEA_HD void operator()(int64_t i) const {
      const auto in = load_pack<W>(folded + i);
      Pack<float, W> out{};
      if (accumulate) out = load_pack<W>(dweight + i);
      for (int k = 0; k < W; ++k) out[k] = accumulate ? out[k] + in[k] * scale : in[k] * scale;
      store_pack(dweight + i, out);
    }
  };
  FOVEA_HD AtRow row(int64_t o) const {
    const int64_t first = o * fold.weights_per_channel;
    return {folded_dweight + first, dweight + first, fold_scale(fold, o), accumulate};
  }
};

}  // namespace

template <class T>
void batch_norm_fold(Queue& queue, const BatchNormFold& fold, const float* weight, T* folded_weight, float* folded_bias,
                     float* s) {
  for_row_packs<4>(queue, "batch_norm_fold", fold.out_channels, fold.weights_per_channel,
                   FoldWeight<T>{fold, weight, folded_weight}, all_aligned(16, weight, folded_weight));
  for_each(queue, "batch_norm_fold_bias", fold.out_channels, FoldBias{fold, folded_bias, s});
}

void batch_norm_fold_bias(Queue& queue, const BatchNormFold& fold, float* folded_bias) {
  for_each(queue, "batch_norm_fold_bias", fold.out_channels, FoldBias{fold, folded_bias, nullptr});
}

void batch_norm_fold_backward(Queue& queue, const BatchNormFold& fold, const float* folded_dweight, float* dweight,
                              bool accumulate) {
  for_row_packs<4>(queue, "batch_norm_fold_backward", fold.out_channels, fold.weights_per_channel,
                   FoldBackward{fold, folded_dweight, dweight, accumulate}, all_aligned(16, folded_dweight, dweight));
}

void batch_norm_fold_bias_backward(Queue& queue, const BatchNormFold& fold, const float* folded_dbias, float* dbias,
                                   bool accumulate) {
  BatchNormFold of_bias = fold;
  of_bias.weights_per_channel = 1;
  batch_norm_fold_backward(queue, of_bias, folded_dbias, dbias, accumulate);
}

#define INSTANTIATE(T) template void batch_norm_fold<T>(Queue&, const BatchNormFold&, const float*, T*, float*, float*);
INSTANTIATE(float)
INSTANTIATE(bfloat16)

}  // namespace fovea::kernels
