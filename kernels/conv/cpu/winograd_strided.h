// The transforms of a 3x3 convolution with stride 2, for tiles of 3 x 3 outputs. Along one axis the outputs see the
// even pixels of a patch of seven by two taps and the odd ones by the third alone:
//   y_i = (d_2i w_0 + d_2i+2 w_2) + d_2i+1 w_1
// The first is a convolution of stride 1 with two taps: Winograd's F(3, 2) on the points 0, ±1, ∞, four products for
// six (the matrices of kernels/conv/cpu/winograd_transforms.h, whose coefficients here are 0, ±1 and ±1/2: their errors
// are those of a few sums). The second has three products. From both sides that is 7² = 49 products for 81, of 5² = 25
// different weights:
//   y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ d B) ] A,   dw = Gᵀ [ Σ_tiles (Bᵀ d B) ⊙ (A dy Aᵀ) ] G
// The data gradient parts alike: an even pixel gets dy_i w_0 + dy_i−1 w_2, the odd one behind it dy_i w_1, so that a
// tile of 6 x 6 comes from a patch of 4 x 4 gradients by the same products with the weights turned.
#pragma once
#include "kernels/conv/cpu/winograd_transforms.h"

namespace fovea::kernels::winograd {

struct Strided {
  static constexpr int stride = 2, tile = 3, axis = 7, products = axis * axis;

  struct Input {
    static constexpr int in = 7, out = axis;
    FOVEA_HD void operator()(const Lanes (&d)[in], Lanes (&v)[out]) const {
      two_taps({d[0], d[2], d[4], d[6]}, v);
      v[4] = d[1], v[5] = d[3], v[6] = d[5];
    }
  };

  struct Output {
    static constexpr int in = axis, out = tile;
    FOVEA_HD void operator()(const Lanes (&m)[in], Lanes (&y)[out]) const {
      two_taps_sum(m, y);
      for (int i = 0; i < tile; ++i) y[i] += m[4 + i];
    }
  };

  struct OutputGradient {
    static constexpr int in = tile, out = axis;
    FOVEA_HD void operator()(const Lanes (&y)[in], Lanes (&v)[out]) const {
      v[0] = y[0], v[3] = y[2];
      v[1] = (y[0] + y[2]) + y[1];
      v[2] = (y[0] + y[2]) - y[1];
      for (int i = 0; i < tile; ++i) v[4 + i] = y[i];
    }
  };

  struct Weight {  // the last for all three points of the odd pixels
    static constexpr int in = 3, out = 5;
    FOVEA_HD void operator()(const Lanes (&w)[in], Lanes (&u)[out]) const {
      u[0] = -w[0], u[3] = w[2], u[4] = w[1];
      u[1] = broadcast(0.5f) * (w[0] + w[2]);
      u[2] = broadcast(0.5f) * (w[0] - w[2]);
    }
  };

  struct WeightGradient {
    static constexpr int in = axis, out = 3;
    FOVEA_HD void operator()(const Lanes (&m)[in], Lanes (&w)[out]) const {
      w[0] = broadcast(0.5f) * (m[1] + m[2]) - m[0];
      w[1] = m[4] + m[5] + m[6];
      w[2] = broadcast(0.5f) * (m[1] - m[2]) + m[3];
    }
  };

  struct DataInput {
    static constexpr int in = 4, out = axis;
    FOVEA_HD void operator()(const Lanes (&d)[in], Lanes (&v)[out]) const {
      two_taps(d, v);
      for (int i = 0; i < tile; ++i) v[4 + i] = d[1 + i];
    }
  };

  struct DataOutput {
    static constexpr int in = axis, out = stride * tile;
    FOVEA_HD void operator()(const Lanes (&m)[in], Lanes (&y)[out]) const {
      Lanes even[tile];
      two_taps_sum(m, even);
      for (int i = 0; i < tile; ++i) y[2 * i] = even[i], y[2 * i + 1] = m[4 + i];
    }
  };

 private:
  FOVEA_HD static void two_taps(const Lanes (&d)[4], Lanes (&v)[axis]) {  // Bᵀ of F(3, 2)
    v[0] = d[2] - d[0], v[1] = d[2] + d[1], v[2] = d[2] - d[1], v[3] = d[3] - d[1];
  }
  FOVEA_HD static void two_taps_sum(const Lanes (&m)[axis], Lanes (&y)[tile]) {  // Aᵀ of F(3, 2)
    const Lanes sum = m[1] + m[2];
    y[0] = sum + m[0], y[1] = m[1] - m[2], y[2] = sum + m[3];
  }
};

}  // namespace fovea::kernels::winograd
