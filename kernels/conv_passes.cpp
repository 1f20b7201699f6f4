#include "kernels/conv_passes.h"

#include <algorithm>

namespace fovea::kernels {
namespace {

constexpr int64_t kMostChunks = 64;
constexpr int64_t kSmall = 1 << 14;  // elements below which starting the threads costs more than they save

}  // namespace

template <class T, class V>
void finish_gradient(const V* value, const T* mask, bool accumulate, T* dx, int64_t count) {
  if (mask && accumulate) {
#pragma omp parallel for simd schedule(static) if (count > kSmall)
    for (int64_t i = 0; i < count; ++i)
      dx[i] = static_cast<float>(mask[i]) <= 0 ? 0.f : static_cast<float>(dx[i]) + static_cast<float>(value[i]);
  } else if (mask) {
#pragma omp parallel for simd schedule(static) if (count > kSmall)
    for (int64_t i = 0; i < count; ++i) dx[i] = static_cast<float>(mask[i]) <= 0 ? 0.f : static_cast<float>(value[i]);
  } else if (accumulate) {
#pragma omp parallel for simd schedule(static) if (count > kSmall)
    for (int64_t i = 0; i < count; ++i) dx[i] = static_cast<float>(dx[i]) + static_cast<float>(value[i]);
  }
}

template void finish_gradient(const float*, const float*, bool, float*, int64_t);
template void finish_gradient(const bfloat16*, const bfloat16*, bool, bfloat16*, int64_t);
template void finish_gradient(const float*, const bfloat16*, bool, bfloat16*, int64_t);

int64_t bias_partial_count(int64_t rows, int channels) { return std::min(rows, kMostChunks) * channels; }

template <class T>
void bias_gradient(const T* dy, int64_t rows, int channels, bool accumulate, float* partial, float* dbias) {
  const int64_t chunks = std::min(rows, kMostChunks);
#pragma omp parallel for schedule(static) if (rows * channels > kSmall)
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    float* sum = partial + chunk * channels;
    std::fill_n(sum, channels, 0.f);
    for (int64_t row = rows * chunk / chunks; row < rows * (chunk + 1) / chunks; ++row) {
      const T* from = dy + row * channels;
#pragma omp simd
      for (int c = 0; c < channels; ++c) sum[c] += static_cast<float>(from[c]);
    }
  }
  for (int64_t chunk = 1; chunk < chunks; ++chunk) {
#pragma omp simd
    for (int c = 0; c < channels; ++c) partial[c] += partial[chunk * channels + c];
  }
  for (int c = 0; c < channels; ++c) dbias[c] = partial[c] + (accumulate ? dbias[c] : 0.f);
}

template void bias_gradient(const float*, int64_t, int, bool, float*, float*);
template void bias_gradient(const bfloat16*, int64_t, int, bool, float*, float*);

void widen(const bfloat16* from, float* to, int64_t count) {
#pragma omp parallel for simd schedule(static) if (count > kSmall)
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

void narrow(const float* from, bfloat16* to, int64_t count) {
#pragma omp parallel for simd schedule(static) if (count > kSmall)
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

}  // namespace fovea::kernels
