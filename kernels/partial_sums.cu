#include "kernels/partial_sums.h"

namespace fovea::kernels {

void sum_partials(Queue& queue, const SumPartials& sums) {
  const int tiles = ceil_div(sums.bias_columns, SumPartials::kTile);
  for_rows<512>(queue, "sum_partials", tiles + 1, sums);
}

}  // namespace fovea::kernels
