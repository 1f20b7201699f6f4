// The point-wise passes and the reduction around a convolution: what its primitives do not fuse. CPU, all threads; the
// same bits for any number of threads.
#pragma once
#include <cstdint>

#include "kernels/conv/conv.h"

namespace fovea::kernels {

// dx = 0 where mask <= 0, else value (+ dx if accumulate). Without a mask, value is added to dx or is dx already.
template <class T, class V>
void finish_gradient(const V* value, const T* mask, bool accumulate, T* dx, int64_t count);

// dbias[o] = Σ_rows dy[row, o] (+ dbias[o] if accumulate), by chunks of rows that depend on `rows` alone.
// `partial` holds bias_partial_count(rows, channels) floats.
template <class T>
void bias_gradient(const T* dy, int64_t rows, int channels, bool accumulate, float* partial, float* dbias);
int64_t bias_partial_count(int64_t rows, int channels);

void widen(const bfloat16* from, float* to, int64_t count);
void narrow(const float* from, bfloat16* to, int64_t count);

}  // namespace fovea::kernels
