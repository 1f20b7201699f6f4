// What a convolution as one kernel moves and computes, for predictions (Queue::declare).
#pragma once
#include "kernels/conv/conv.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {

// `more`: tensors like the result that are read besides (an addend, a mask). `kind`: of kernel.
inline WorkCost work_of(ConvPass pass, const ConvShape& s, DType dtype, int more, const char* kind) {
  constexpr int64_t kTile = 128;  // pixels and channels of a block, as Hopper's large kernels have
  const auto tiles = [](int64_t rows, int64_t columns) { return ceil_div(rows, kTile) * ceil_div(columns, kTile); };
  const int64_t x = s.input_count(), y = s.output_count(), w = s.weight_count();
  const int64_t result = pass == ConvPass::Forward ? y : pass == ConvPass::BackwardData ? x : 0;
  WorkCost cost{.bytes = static_cast<double>(x + y + w + more * result) * static_cast<double>(size_of(dtype)),
                .flop = 2.0 * static_cast<double>(s.macs()),
                .kind = kind};
  // A weight gradient's kernel cuts its sum over the pixels into as many parts as it takes.
  if (pass == ConvPass::Forward) cost.tiles = tiles(y / s.out_c, s.out_c);
  if (pass == ConvPass::BackwardData) cost.tiles = tiles(x / s.in_c, s.in_c);
  return cost;
}

}  // namespace fovea::kernels
