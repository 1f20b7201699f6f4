// The passes around a convolution: what the kernels of cuDNN and oneDNN leave to others. They bring tensors into the
// layout that a GPU's tensor cores take (channels in multiples of 8) and their results back, in one pass each, and add
// gradients where the library cannot. From and To are float or bfloat16; arithmetic is in fp32, one rounding at the
// end.
#pragma once
#include <cstdint>

#include "kernels/conv/conv.h"

namespace fovea::kernels {

// to[row, c] = from[row, c], and 0 for rows from `from_rows` on and channels from `from_channels` on.
// from [from_rows, from_channels], to [rows, channels]; rows >= from_rows, channels >= from_channels.
template <class From, class To>
void pad_channels(Queue& queue, int64_t from_rows, int64_t rows, int from_channels, int channels, const From* from,
                  To* to);

// to[row, c] = relu(from[row, c] + add[row, c] + bias[c]) for the first `channels` of `from_channels`.
// from [rows, from_channels], to and add [rows, channels], bias [channels]; nullptr, false: left out. add may be to.
template <class T, class Bias>
void finish_forward(Queue& queue, int64_t rows, int from_channels, int channels, const T* from, const T* add,
                    const Bias* bias, bool relu, T* to);

// to[row, c] (+)= from[row, c] for the first `channels` of `from_channels`; then 0 where mask[row, c] <= 0.
// from [rows, from_channels], to and mask [rows, channels]; mask == nullptr: none. from may be to. NaN in the mask
// keeps the value.
template <class From, class To>
void finish_gradient(Queue& queue, int64_t rows, int from_channels, int channels, const From* from, const To* mask,
                     bool accumulate, To* to);

// A convolution with stride 2 on few channels (the stem: 7x7, 3 channels) as one with stride 1 on four times as many
// (space to depth): each 2x2 pixels become the channels of one. It has less padding to multiply, and unlike the stem
// itself kernels for Hopper's tensor cores. `space_to_depth_shape` is its shape: padding is part of its input, so that
// pad = 0.
//   y[p, q] = Σ_{r,s} x[2p − pad + r, 2q − pad + s] w[r, s],   r = 2a + b, s = 2d + e
//           = Σ_{a,d} Σ_{b,e} x'[p + a, q + d, (b, e)] w'[a, d, (b, e)],   x'[i, j, (b, e)] = x[2i + b − pad, …]
bool uses_space_to_depth(const ConvShape& shape);
ConvShape space_to_depth_shape(const ConvShape& shape);  // in_c is a multiple of 8; where uses_space_to_depth(shape)

// x [batch, in_h, in_w, in_c] -> [batch, its in_h, in_w, in_c]; zero outside the image and beyond 4·in_c channels.
template <class T>
void space_to_depth(Queue& queue, const ConvShape& shape, const T* x, T* to);
// w [out_c, kernel_h, kernel_w, in_c] -> its weights.
template <class T>
void space_to_depth_weights(Queue& queue, const ConvShape& shape, const T* w, T* to);
// dweight (+)= its weights' gradient, at the place of each weight.
template <class T>
void depth_to_space_weight_gradient(Queue& queue, const ConvShape& shape, const T* from, bool accumulate,
                                    float* dweight);

// A convolution 1x1 with a stride looks at one pixel in stride x stride: it is one without a stride on these pixels
// alone. `gathered` is its shape.
bool gathers(const ConvShape& shape);
ConvShape gathered(const ConvShape& shape);  // `shape` gathers

// The pixels of x [batch, in_h, in_w, in_c] that are looked at, [batch, out_h, out_w, in_c].
template <class T>
void gather_pixels(Queue& queue, const ConvShape& shape, const T* x, T* to);
// dx (+)= from at the pixels that are looked at, and (+)= 0 at the others; then 0 where mask <= 0. dx and mask
// [batch, in_h, in_w, in_c]; mask == nullptr: none. Where it only adds, no other pixel is read or written.
template <class T>
void scatter_pixels(Queue& queue, const ConvShape& shape, const T* from, const T* mask, bool accumulate, T* dx);

}  // namespace fovea::kernels
