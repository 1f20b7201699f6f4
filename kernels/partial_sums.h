// The second stage of the losses' sums. The first stage left one row of fp32 partial sums a chunk of locations; here
// their columns are added up, in fp64 and in an order that depends on the shapes only.
#pragma once
#include "kernels/launch.h"

namespace fovea::kernels {

// Columns of `partial` [rows, bias_columns + 1]: those of the bias gradient, then the loss.
struct SumPartials {
  static constexpr int kTile = 32;  // columns a block

  const float* partial;
  int64_t rows;
  int bias_columns;
  float* bias_gradient;
  bool accumulate;
  float* loss;

  struct Shared {
    double part[kMaxWarps][kTile];
  };
  template <class Block>
  FN void operator()(Block& block, int64_t tile, Shared& shared) const {
    const int columns = bias_columns + 1, first = static_cast<int>(tile) * kTile;
    const int width = columns - first < kTile ? columns - first : kTile;
    const int warps = block.size() / block.warp_size();
    double* part = shared.part[block.warp()];
    for (int c = block.lane(); c < width; c += block.warp_size()) part[c] = 0;
    for (int64_t row = block.warp(); row < rows; row += warps)
      for (int c = block.lane(); c < width; c += block.warp_size())
        part[c] += double{partial[row * columns + first + c]};
    block.sync();
    for (int c = block.thread(); c < width; c += block.size()) {
      double sum = 0;
      for (int w = 0; w < warps; ++w) sum += shared.part[w][c];
      if (first + c == bias_columns)
        *loss = static_cast<float>(sum);
      else
        bias_gradient[first + c] = static_cast<float>(accumulate ? sum + double{bias_gradient[first + c]} : sum);
    }
  }
};

inline void sum_partials(Queue& queue, const SumPartials& sums) {
  for_rows<256>(queue, "sum_partials", sums.bias_columns / SumPartials::kTile + 1, sums);
}

}  // namespace fovea::kernels
