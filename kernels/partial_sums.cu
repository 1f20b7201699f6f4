#include "kernels/partial_sums.h"

#include "kernels/launch/launch.h"

namespace fovea::kernels {
namespace {

struct AddPartials : PartialSums {
  static constexpr int kTile = 32;  // columns a block

  struct Shared {
    double part[kMaxWarps][kTile];
  };
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t tile, Shared& shared) const {
    const int first = static_cast<int>(tile) * kTile;
    if (first >= bias_columns) {  // the last block
      const double sum = block.sum(static_cast<int>(loss_count), [&](int i) { return double{losses[i]}; });
      if (block.thread() == 0) *loss = static_cast<float>(sum);
      return;
    }
    const int width = bias_columns - first < kTile ? bias_columns - first : kTile;
    const int warps = block.size() / block.warp_size();
    double* part = shared.part[block.warp()];
    if constexpr (Block::size() == 1)
      add_rows(width, first, part);
    else if (block.lane() < width)
      part[block.lane()] = column_sum(first + block.lane(), block.warp(), warps);
    block.sync();
    for (int c = block.thread(); c < width; c += block.size()) {
      double sum = accumulate ? double{bias_gradient[first + c]} : 0;
      for (int w = 0; w < warps; ++w) sum += shared.part[w][c];
      bias_gradient[first + c] = static_cast<float>(sum);
    }
  }

 private:
  // CPU: row after row, as memory lies.
  FOVEA_HD void add_rows(int width, int first, double* part) const {
    for (int c = 0; c < width; ++c) part[c] = 0;
    for (int64_t row = 0; row < rows; ++row)
      for (int c = 0; c < width; ++c) part[c] += double{bias[row * bias_columns + first + c]};
  }
  // GPU: a warp's threads take neighboring columns of one row; eight rows are on their way at a time.
  FOVEA_HD double column_sum(int column, int first_row, int step) const {
    double sum = 0;
#pragma unroll 8
    for (int64_t row = first_row; row < rows; row += step) sum += double{bias[row * bias_columns + column]};
    return sum;
  }
};

}  // namespace

void sum_partials(Queue& queue, const PartialSums& sums) {
  const int tiles = ceil_div(sums.bias_columns, AddPartials::kTile);
  for_rows<512>(queue, "sum_partials", tiles + 1, AddPartials{sums});
}

}  // namespace fovea::kernels
