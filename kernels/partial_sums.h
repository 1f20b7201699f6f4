// The second stage of the losses' sums. The first stage left one row of fp32 sums a group of locations, and some
// partial losses; here the columns and the losses are added up, in fp64 and in an order that depends on the shapes
// only.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

struct PartialSums {
  const float* bias;  // [rows, bias_columns]
  int64_t rows;
  int bias_columns;
  float* bias_gradient;
  bool accumulate;
  const float* losses;  // [loss_count]
  int64_t loss_count;
  float* loss;
};

// Enqueues it: columns of `bias` into bias_gradient, losses into *loss.
void sum_partials(Queue& queue, const PartialSums& sums);

}  // namespace fovea::kernels
