// The shape of a call as a library gets it, and the passes of our own (conv_passes.h) that bring its tensors there and
// the results back.
#pragma once
#include <string>

#include "kernels/conv/conv_passes.h"
#include "kernels/conv/cuda/packed_bias.h"

namespace fovea::kernels {

struct PaddedShape {
  ConvShape given, shape;
  bool space_to_depth = false;  // the stem: 2x2 pixels are one of four times the channels
  bool gather = false;          // 1x1 with a stride: the pixels that it looks at, gathered
  bool pads_x() const { return !space_to_depth && shape.in_c != given.in_c; }
  bool pads_y() const { return shape.out_c != given.out_c; }
  bool changes_x() const { return space_to_depth || gather || pads_x(); }
  bool changes_weights() const { return space_to_depth || pads_x() || pads_y(); }
  int64_t x_rows() const { return int64_t{given.batch} * given.in_h * given.in_w; }
  int64_t y_rows() const { return int64_t{given.batch} * given.out_h() * given.out_w(); }
  void set_batch(int images) { given.batch = shape.batch = images; }
};

// With channels and pixels as tensor cores take them.
PaddedShape padded_shape(const ConvShape& shape, DType dtype, ConvPass pass);
// On gathered pixels: of a shape that gathers, with channels that need no padding.
bool may_gather(const ConvShape& shape, DType dtype);
PaddedShape gathered_shape(const ConvShape& shape);

std::string passes_of(const PaddedShape& form, ConvPass pass);  // "pad x 3 -> 8"; empty: none

// A batch cut in parts that are computed one after the other: the first image of part `part`, and its images.
inline int part_begin(int batch, int parts, int part) { return static_cast<int>(int64_t{batch} * part / parts); }
inline int part_size(int batch, int parts, int part) {
  return part_begin(batch, parts, part + 1) - part_begin(batch, parts, part);
}

// Of the next pass, over elements of T and over fp32 ones (Queue::declare).
template <class T>
void declare_pass(Queue& queue, int64_t elements, int64_t fp32 = 0) {
  queue.declare({.bytes = static_cast<double>(elements) * sizeof(T) + static_cast<double>(fp32) * sizeof(float)});
}

// x, dy and the weights as `form` has them: as they are, or in `scratch`.
template <class T>
const void* image_for(Queue& queue, const PaddedShape& form, const void* x, T* scratch) {
  if (!form.changes_x()) return x;
  const T* from = static_cast<const T*>(x);
  declare_pass<T>(queue, (form.gather ? form.shape : form.given).input_count() + form.shape.input_count());
  if (form.gather)
    gather_pixels(queue, form.given, from, scratch);
  else if (form.space_to_depth)
    space_to_depth(queue, form.given, from, scratch);
  else
    pad_channels(queue, form.x_rows(), form.x_rows(), form.given.in_c, form.shape.in_c, from, scratch);
  return scratch;
}

template <class T>
const void* output_gradient_for(Queue& queue, const PaddedShape& form, const void* dy, T* scratch) {
  if (!form.pads_y()) return dy;
  declare_pass<T>(queue, form.given.output_count() + form.shape.output_count());
  pad_channels(queue, form.y_rows(), form.y_rows(), form.given.out_c, form.shape.out_c, static_cast<const T*>(dy),
               scratch);
  return scratch;
}

inline bool needs_packing(const PaddedShape& form, const ConvWeights& weights) {
  return form.space_to_depth || form.pads_x() || (form.pads_y() && weights.rows < form.shape.out_c);
}
template <class T>
size_t weight_scratch(const PaddedShape& form, const ConvWeights& weights) {
  return needs_packing(form, weights) && weights.version == nullptr ? form.shape.weight_count() : 0;
}
// Kept between calls, or in `scratch` where the weights have no version.
template <class T>
const void* weights_for(Queue& queue, PackedWeights& packed, const PaddedShape& form, const ConvWeights& weights,
                        T* scratch) {
  if (!needs_packing(form, weights)) return weights.data;
  const auto pack = [&](void* to) {
    const auto* from = static_cast<const T*>(weights.data);
    const int64_t taps = int64_t{form.given.kernel_h} * form.given.kernel_w;
    if (form.space_to_depth)
      space_to_depth_weights(queue, form.given, from, static_cast<T*>(to));
    else
      pad_channels(queue, form.given.out_c * taps, form.shape.out_c * taps, form.given.in_c, form.shape.in_c, from,
                   static_cast<T*>(to));
  };
  return packed.get(weights, form.space_to_depth ? kSpaceToDepth : kPadded, form.shape.weight_count() * sizeof(T),
                    scratch, pack, queue.capture_number());
}

// dx (+)= what the library left in the form's shape, at its place; then 0 where mask <= 0.
template <class T>
void finish_data_gradient(Queue& queue, const PaddedShape& form, const T* from, const T* mask, bool accumulate, T* dx) {
  const bool all = !form.gather || mask != nullptr || !accumulate;  // else only the pixels that were looked at
  declare_pass<T>(queue, form.shape.input_count() + (1 + int{accumulate} + int{mask != nullptr}) *
                                                        (all ? form.given : form.shape).input_count());
  if (form.gather) return scatter_pixels(queue, form.given, from, mask, accumulate, dx);
  finish_gradient(queue, form.x_rows(), form.shape.in_c, form.given.in_c, from, mask, accumulate, dx);
}

}  // namespace fovea::kernels
