// Batch normalization over the channels of an NHWC tensor seen as a matrix [rows = N·H·W, channels] (Ioffe & Szegedy
// 2015), with the residual addition and the ReLU that follow it. Parameters and statistics are fp32.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

// The frozen form, folded into the convolution before it: with s = gamma / sqrt(var + eps),
//   folded_weight[o, …] = weight[o, …]·s[o]     folded_bias[o] = beta[o] − mean[o]·s[o]
struct BatchNormFold {
  int out_channels = 0;
  int64_t weights_per_channel = 0;  // kernel_h · kernel_w · in_c / groups
  const float *gamma = nullptr, *beta = nullptr, *mean = nullptr, *var = nullptr;  // [out_channels]
  float eps = 1e-5f;
  const float* bias = nullptr;  // the convolution's own [out_channels], or nullptr
};

// weight: the fp32 master weights, OHWI. (A layer without a norm: cast<float, T>.) s too is given where there is room.
template <class T>
void batch_norm_fold(Queue& queue, const BatchNormFold& fold, const float* weight, T* folded_weight, float* folded_bias,
                     float* s = nullptr);

// The bias alone, where it has changed and nothing else has.
void batch_norm_fold_bias(Queue& queue, const BatchNormFold& fold, float* folded_bias);

// dweight (+)= folded_dweight·s. dweight may be folded_dweight itself (without accumulate).
void batch_norm_fold_backward(Queue& queue, const BatchNormFold& fold, const float* folded_dweight, float* dweight,
                              bool accumulate);
// dbias (+)= folded_dbias·s, likewise.
void batch_norm_fold_bias_backward(Queue& queue, const BatchNormFold& fold, const float* folded_dbias, float* dbias,
                                   bool accumulate);

// y = relu(gamma·(x − mean)·invstd + beta + add) with the statistics of x itself: the biased variance normalizes, the
// unbiased one enters running_var: running = (1 − momentum)·running + momentum·new, as in PyTorch.
template <class T>
struct BatchNormForward {
  int64_t rows = 0;  // >= 2 (else throws ErrorKind::Data: one value has no variance)
  int channels = 0;
  const T* x = nullptr;
  const T* add = nullptr;  // the residual, like x, or nullptr
  const float *gamma = nullptr, *beta = nullptr;
  float *running_mean = nullptr, *running_var = nullptr;
  float momentum = 0.1f, eps = 1e-5f;
  float *saved_mean = nullptr, *saved_invstd = nullptr;  // [channels], for the backward pass
  bool relu = false;
  T* y = nullptr;  // may be x or add
};
template <class T>
void batch_norm_train_forward(Queue& queue, const BatchNormForward<T>& args);

// The same in two parts, for statistics of more rows than there are here: sums = Σx and Σx² of these rows, [2,
// channels]; once those of the other rows are added, y and the statistics of all `summed_rows`.
template <class T>
void batch_norm_sums(Queue& queue, const BatchNormForward<T>& args, double* sums);
template <class T>
void batch_norm_apply(Queue& queue, const BatchNormForward<T>& args, const double* sums, int64_t summed_rows);

// The same with running_mean and running_var as the statistics; nothing is saved. (Folding is faster.)
template <class T>
void batch_norm_eval(Queue& queue, const BatchNormForward<T>& args);

template <class T>
struct BatchNormBackward {
  int64_t rows = 0;
  int channels = 0;
  const T* x = nullptr;
  const T* y = nullptr;   // the output, whose sign is the ReLU's mask; nullptr: there was no ReLU
  const T* dy = nullptr;  // of y
  const float *gamma = nullptr, *saved_mean = nullptr, *saved_invstd = nullptr;
  T* dx = nullptr;  // may be dy
  bool accumulate_dx = false;
  T* dadd = nullptr;  // the residual's gradient = dy masked, or nullptr; may be dy (then dx is not)
  bool accumulate_dadd = false;
  float *dgamma = nullptr, *dbeta = nullptr;
  bool accumulate_parameters = false;  // dgamma += and dbeta +=
};
template <class T>
void batch_norm_train_backward(Queue& queue, const BatchNormBackward<T>& args);

// In two parts likewise: sums = Σg and Σ g·x̂, and with them dgamma and dbeta, which are sums over these rows only, and
// dadd; then dx.
template <class T>
void batch_norm_backward_sums(Queue& queue, const BatchNormBackward<T>& args, double* sums);
template <class T>
void batch_norm_backward_apply(Queue& queue, const BatchNormBackward<T>& args, const double* sums, int64_t summed_rows);

}  // namespace fovea::kernels
