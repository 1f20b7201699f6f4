// Sums over buffers, in fp64 and in a fixed order: same bits for any number of threads. Results stay in device memory.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

void sum(Queue& queue, int64_t n, const float* x, double* total);

// Σ x². No fp32 value squared overflows fp64, so the total is finite exactly where every x is.
void sum_of_squares(Queue& queue, int64_t n, const float* x, double* total);

void count_nonfinite(Queue& queue, int64_t n, const float* x, int64_t* count);  // NaN or ±infinity

// sums[column] (+)= Σ_row x[row, column]
template <class T>
void column_sum(Queue& queue, int64_t rows, int64_t columns, const T* x, float* sums, bool accumulate);

}  // namespace fovea::kernels
