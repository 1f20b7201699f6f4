// What each kernel must move and compute at least, from its arguments: bytes of device memory read and written
// once, and special-function calls (exp2, log2, 1/x, 1/sqrt) of the GPU. Benchmarks compare with it, a performance
// model adds it up. Not counted: partial sums, counters, what lies in caches anyway (a channel's parameters).
#pragma once
#include <cstdint>

#include "kernels/anchor_match.h"
#include "kernels/average_pool.h"
#include "kernels/batch_norm.h"
#include "kernels/box_loss.h"
#include "kernels/focal_loss.h"
#include "kernels/hard_mining.h"
#include "kernels/image.h"
#include "kernels/nms.h"
#include "kernels/pool.h"
#include "kernels/upsample.h"

namespace fovea::kernels {

struct Traffic {
  double read = 0, written = 0;  // bytes
  double special = 0;            // calls
  double bytes() const { return read + written; }
};

namespace traffic {

// Said of the kernel that is launched next; where it takes several launches, of all together.
inline void declare(Queue& queue, const Traffic& traffic) { queue.declare({.bytes = traffic.bytes()}); }

// ---- activation.h, reduce.h: `n` elements of T
template <class T>
Traffic elementwise(double n, int inputs, int outputs, double special_per_element = 0) {
  return {n * inputs * sizeof(T), n * outputs * sizeof(T), n * special_per_element};
}
template <class T>
Traffic relu_forward(int64_t n) {
  return elementwise<T>(n, 1, 1);
}
template <class T>
Traffic relu_backward(int64_t n, bool accumulate) {
  return elementwise<T>(n, accumulate ? 3 : 2, 1);
}
template <class T>
Traffic add(int64_t n) {  // add, add_relu, add_into
  return elementwise<T>(n, 2, 1);
}
template <class T>
Traffic bias_forward(int64_t rows, int64_t columns) {
  return elementwise<T>(rows * columns, 1, 1);
}
template <class T>
Traffic sigmoid(int64_t n) {
  return elementwise<T>(n, 1, 1, 1);  // exp is a polynomial there, the reciprocal one call
}
template <class From, class To>
Traffic cast(int64_t n) {
  return {double(n) * sizeof(From), double(n) * sizeof(To)};
}
template <class T>
Traffic relu_bias_backward(int64_t rows, int64_t columns) {
  return elementwise<T>(static_cast<double>(rows * columns), 2, 1);
}
template <class T>
Traffic column_sum(int64_t rows, int64_t columns) {
  return elementwise<T>(static_cast<double>(rows * columns), 1, 0);
}
inline Traffic sum_of(int64_t n) {  // sum, sum_of_squares, count_nonfinite
  return elementwise<float>(n, 1, 0);
}

// ---- pool.h, average_pool.h, channel_slice.h, upsample.h
template <class T>
Traffic max_pool_forward(const PoolShape& s, bool argmax) {
  const double in = double(s.batch) * s.in_h * s.in_w * s.channels;
  const double out = double(s.batch) * s.out_h() * s.out_w() * s.channels;
  return {in * sizeof(T), out * (sizeof(T) + (argmax ? 1 : 0))};
}
template <class T>
Traffic max_pool_backward(const PoolShape& s, bool accumulate) {
  const double in = double(s.batch) * s.in_h * s.in_w * s.channels;
  const double out = double(s.batch) * s.out_h() * s.out_w() * s.channels;
  return {out * (sizeof(T) + 1) + (accumulate ? in * sizeof(T) : 0), in * sizeof(T)};
}
template <class T>
Traffic average_pool(const AveragePoolShape& s, bool accumulate) {  // in both directions
  return elementwise<T>(static_cast<double>(s.count()), accumulate ? 2 : 1, 1);
}
template <class T>
Traffic copy_channels(int64_t rows, int64_t channels, bool accumulate) {
  return elementwise<T>(static_cast<double>(rows * channels), accumulate ? 2 : 1, 1);
}
template <class T>
Traffic upsample_add(const UpsampleShape& s, bool lateral) {
  const double in = double(s.batch) * s.in_h * s.in_w * s.channels;
  const double out = double(s.batch) * s.out_h * s.out_w * s.channels;
  return {(in + (lateral ? out : 0)) * sizeof(T), out * sizeof(T)};
}
template <class T>
Traffic upsample_backward(const UpsampleShape& s, bool accumulate) {
  const double in = double(s.batch) * s.in_h * s.in_w * s.channels;
  const double out = double(s.batch) * s.out_h * s.out_w * s.channels;
  return {(out + (accumulate ? in : 0)) * sizeof(T), in * sizeof(T)};
}

// ---- batch_norm.h, group_norm.h: two passes each, the statistics and what they serve
template <class T>
Traffic norm_forward(double n) {
  return elementwise<T>(n, 2, 1);
}
template <class T>
Traffic norm_backward(double n, bool mask, bool accumulate) {
  return elementwise<T>(n, (mask ? 6 : 4) + (accumulate ? 1 : 0), 1);
}
template <class T>
Traffic batch_norm_eval(double n, bool add) {
  return elementwise<T>(n, add ? 2 : 1, 1, 2);
}
template <class T>
Traffic batch_norm_fold(const BatchNormFold& fold) {
  return cast<float, T>(int64_t{fold.out_channels} * fold.weights_per_channel);
}

// ---- losses and matching
template <class T>
double elements_of(const LevelView<T>& view) {  // with padding
  return double(view.images) * view.anchors() / view.anchors_per_location * view.pixel_stride;
}
template <class T>
Traffic focal_loss(const FocalLossArgs<T>& args) {
  const double n = elements_of(args.logits), anchors = double(args.logits.images) * args.logits.anchors();
  const bool any_gamma = args.form == FocalForm::Focal && args.gamma != 2.f && args.gamma != 0.f;
  const int special = any_gamma ? 4 : 3;
  return {n * sizeof(T) + anchors * sizeof(int32_t), n * sizeof(T), n * special};
}
template <class T>
Traffic hard_mining(const HardMiningArgs<T>& args) {  // the logits once, a key of each anchor once out and once in
  const double anchors = double(args.logits.images) * args.logits.anchors(), n = anchors * args.logits.columns;
  return {n * sizeof(T) + anchors * (2 * sizeof(int32_t) + sizeof(uint64_t)),
          anchors * (sizeof(uint64_t) + sizeof(int32_t)), 3 * n};
}
template <class T>
Traffic box_loss(const BoxLossArgs<T>& args) {  // deltas are read for positives only
  const double anchors = double(args.deltas.images) * args.deltas.anchors();
  return {anchors * sizeof(int32_t), elements_of(args.gradient) * sizeof(T)};
}
inline Traffic anchor_match(const AnchorMatchArgs& args) {  // two passes; the anchors are shared by the images
  const double anchors = args.anchor_count, all = anchors * args.images, ints = 2 * sizeof(int32_t);
  return {anchors * 4 * sizeof(float) + all * ints, 2 * all * ints};
}
template <class T>
Traffic detect(const DetectArgs<T>& args) {  // the logits once; candidates are few
  return {elements_of(args.logits) * sizeof(T)};
}

// ---- optimizer.h: `n` parameters, fp32; `working`: bytes an element of their working forms, 0: there are none
inline Traffic sgd_step(int64_t n, bool momentum, int working) {
  const double buffer = momentum ? sizeof(float) : 0;
  return {n * (2 * sizeof(float) + buffer), n * (sizeof(float) + buffer + working)};
}
inline Traffic adamw_step(int64_t n, int working) {
  return {4.0 * n * sizeof(float), n * (3.0 * sizeof(float) + working), 2.0 * n};
}
inline Traffic ema(int64_t n) { return elementwise<float>(n, 2, 1); }

// ---- image.h
template <class T>
Traffic preprocess(const PreprocessArgs<T>& args, int64_t source_bytes) {  // of all images as decoded
  return {double(source_bytes), double(args.batch) * args.slot_h * args.slot_w * args.slot_channels * sizeof(T)};
}

}  // namespace traffic
}  // namespace fovea::kernels
