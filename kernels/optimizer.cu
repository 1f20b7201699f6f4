// SGD with momentum (Sutskever et al. 2013, in PyTorch's form), AdamW (Loshchilov & Hutter 2019, algorithm 2), clipping
// by the global norm (Pascanu et al. 2013), exponential moving average; the equations stand in the header.
#include "kernels/optimizer.h"

#include <cmath>
#include <limits>

#include "kernels/launch.h"
#include "kernels/pack.h"

namespace fovea::kernels {
namespace {

constexpr int kChunk = 16384;  // elements a block

// update(i, lr, weight_decay, grad_scale) for the elements of each segment; `Update` says what happens to one.
template <class Update>
struct OverSegments {
  OptimizerStep step;
  Update update;
  using Shared = NoShared;

  template <class Block>
  FN void operator()(Block& block, int64_t chunk, Shared&) const {
    if (step.skip != nullptr && *step.skip != 0) return;
    const Update own = update.prepared();
    const float scale = step.grad_scale == nullptr ? 1.f : *step.grad_scale;
    const int64_t begin = chunk * kChunk, end = begin + kChunk < step.n ? begin + kChunk : step.n;
    for (int s = first_after(begin); s < step.segment_count && step.segments[s].begin < end; ++s) {
      const ParamSegment segment = step.segments[s];
      const int64_t from = segment.begin > begin ? segment.begin : begin, to = segment.end < end ? segment.end : end;
      const float lr = *step.lr * segment.lr_scale, decay = segment.weight_decay;
      block.loop(static_cast<int>(to - from), [=](int k) { own(from + k, lr, decay, scale); });
    }
  }

  // The first segment that ends after element i.
  FN int first_after(int64_t i) const {
    int low = 0, high = step.segment_count;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (step.segments[middle].end > i)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }
};

template <bool MOMENTUM>
struct Sgd {
  float* params;
  const float* grads;
  float* buffer;
  float momentum;
  bool nesterov;

  FN Sgd prepared() const { return *this; }
  FN void operator()(int64_t i, float lr, float decay, float scale) const {
    const float g = scale * grads[i] + decay * params[i];
    float direction = g;
    if constexpr (MOMENTUM) {
      const float sum = momentum * buffer[i] + g;
      buffer[i] = sum;
      direction = nesterov ? g + momentum * sum : sum;
    }
    params[i] -= lr * direction;
  }
};

struct AdamW {
  float* params;
  const float* grads;
  float *m, *v;
  const int64_t* steps_done;
  AdamWSettings settings;
  float rate1 = 0, beta2 = 0, rate2 = 0, eps = 0;       // 1 − beta1, beta2, 1 − beta2
  float inv_correction1 = 0, inv_root_correction2 = 0;  // 1 / (1 − beta1^t), 1 / sqrt(1 − beta2^t)

  FN AdamW prepared() const {
    const double t = static_cast<double>(*steps_done + 1);
    AdamW at_step = *this;
    at_step.rate1 = static_cast<float>(1 - settings.beta1);
    at_step.beta2 = static_cast<float>(settings.beta2);
    at_step.rate2 = static_cast<float>(1 - settings.beta2);
    at_step.eps = static_cast<float>(settings.eps);
    at_step.inv_correction1 = static_cast<float>(1 / (1 - std::pow(settings.beta1, t)));
    at_step.inv_root_correction2 = static_cast<float>(1 / std::sqrt(1 - std::pow(settings.beta2, t)));
    return at_step;
  }
  FN void operator()(int64_t i, float lr, float decay, float scale) const {
    const float g = scale * grads[i];
    const float mean = m[i] + rate1 * (g - m[i]), square = beta2 * v[i] + rate2 * (g * g);
    m[i] = mean;
    v[i] = square;
    const float denominator = std::sqrt(square) * inv_root_correction2 + eps;
    params[i] = params[i] * (1 - lr * decay) - lr * inv_correction1 * (mean / denominator);
  }
};

struct CountStep {
  const int32_t* skip;
  int64_t* steps_done;
  FN void operator()(int64_t) const {
    if (skip == nullptr || *skip == 0) ++*steps_done;
  }
};

struct Guard {
  StepGuard guard;
  FN void operator()(int64_t) const {
    const double factor = guard.max_norm / (std::sqrt(*guard.sum_of_squares) + 1e-6);
    *guard.scale = static_cast<float>(guard.max_norm > 0 && factor < 1 ? factor : 1);
    bool finite = *guard.sum_of_squares <= std::numeric_limits<double>::max();
    for (const float* loss : guard.losses)
      if (loss != nullptr) finite = finite && fabsf(*loss) <= std::numeric_limits<float>::max();
    bool ended = false;
    if (guard.non_finite != nullptr) {
      if (!finite) ++*guard.non_finite;
      ended = *guard.non_finite > guard.non_finite_limit;
    }
    *guard.skip = !finite || ended ? 1 : 0;
  }
};

struct Ema {
  float rate;
  const float* params;
  const int32_t* skip;
  float* average;
  template <int W>
  FN void operator()(int64_t i) const {
    if (skip != nullptr && *skip != 0) return;
    const auto in = load_pack<W>(params + i);
    auto out = load_pack<W>(average + i);
    for (int k = 0; k < W; ++k) out[k] += rate * (in[k] - out[k]);
    store_pack(average + i, out);
  }
};

template <class Update>
void over_segments(Queue& queue, const char* name, const OptimizerStep& step, const Update& update) {
  for_rows<256>(queue, name, (step.n + kChunk - 1) / kChunk, OverSegments<Update>{step, update});
}

}  // namespace

void sgd_step(Queue& queue, const OptimizerStep& step, float* momentum_buffer, float momentum, bool nesterov) {
  require(momentum == 0 || momentum_buffer != nullptr, "SGD with momentum has a buffer for it");
  if (momentum == 0)
    over_segments(queue, "sgd_step", step, Sgd<false>{step.params, step.grads, nullptr, 0, false});
  else
    over_segments(queue, "sgd_step", step, Sgd<true>{step.params, step.grads, momentum_buffer, momentum, nesterov});
}

void adamw_step(Queue& queue, const OptimizerStep& step, float* m, float* v, int64_t* steps_done,
                const AdamWSettings& settings) {
  over_segments(queue, "adamw_step", step, AdamW{step.params, step.grads, m, v, steps_done, settings});
  for_each(queue, "adamw_count", 1, CountStep{step.skip, steps_done});
}

void guard_step(Queue& queue, const StepGuard& guard) { for_each(queue, "guard_step", 1, Guard{guard}); }

void ema(Queue& queue, int64_t n, float decay, const float* params, const int32_t* skip, float* average) {
  for_each_pack<4>(queue, "ema", n, Ema{1 - decay, params, skip, average}, all_aligned(16, params, average));
}

}  // namespace fovea::kernels
