#include "kernels/conv/cpu/conv_passes_cpu.h"

#include <algorithm>

#include "kernels/conv/cpu/simd.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {
namespace {

constexpr int64_t kMostChunks = 64;
constexpr int64_t kSmall = 1 << 14;  // elements below which starting the threads costs more than they save

// f(first element, elements) over [0, count), a vector of lanes at a time.
template <class F>
void for_each_vector(int64_t count, const F& f) {
  const int64_t vectors = ceil_div(count, simd::kLanes);
#pragma omp parallel for schedule(static) if (count > kSmall)
  for (int64_t i = 0; i < vectors; ++i)
    f(i * simd::kLanes, static_cast<int>(std::min<int64_t>(simd::kLanes, count - i * simd::kLanes)));
}

}  // namespace

template <class T, class V>
void finish_gradient(const V* value, const T* mask, bool accumulate, T* dx, int64_t count) {
  if (mask == nullptr && !accumulate) return;
  for_each_vector(count, [=](int64_t i, int lanes) {
    simd::Lanes sum = simd::load(value + i, lanes);
    if (accumulate) sum += simd::load(dx + i, lanes);
    if (mask) sum = simd::load(mask + i, lanes) <= 0.f ? simd::Lanes{} : sum;
    simd::store(dx + i, sum, lanes);
  });
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
      for (int c = 0; c < channels; c += simd::kLanes) {
        const int lanes = std::min(simd::kLanes, channels - c);
        simd::store(sum + c, simd::load(sum + c, lanes) + simd::load(from + c, lanes), lanes);
      }
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
  for_each_vector(count, [=](int64_t i, int lanes) { simd::store(to + i, simd::load(from + i, lanes), lanes); });
}

void narrow(const float* from, bfloat16* to, int64_t count) {
  for_each_vector(count, [=](int64_t i, int lanes) { simd::store(to + i, simd::load(from + i, lanes), lanes); });
}

}  // namespace fovea::kernels
