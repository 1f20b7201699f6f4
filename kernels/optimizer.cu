// SGD with momentum (Sutskever et al. 2013, in PyTorch's form), AdamW (Loshchilov & Hutter 2019, algorithm 2), clipping
// by the global norm (Pascanu et al. 2013), exponential moving average; the equations stand in the header.
#include "kernels/optimizer.h"

#include <cmath>
#include <limits>

#include "kernels/launch/launch.h"
#include "kernels/launch/math.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

constexpr int kStepChunk = 16384;  // elements a block

// update.apply<W>(i, constants, lr, weight_decay, grad_scale) for the elements of each segment, W of them at i;
// `Update` says what happens to one, and gives the new parameters. Its Constants are worked out once a block.
// T: of the parameters' working forms.
template <class Update, class T>
struct OverSegments {
  OptimizerStep step;
  Update update;
  bool packs;  // the buffers are aligned to 16 bytes

  struct Shared {
    typename Update::Constants constants;
  };

  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t chunk, Shared& shared) const {
    if (step.skip != nullptr && *step.skip != 0) return;
    if (block.thread() == 0) shared.constants = update.constants();
    block.sync();
    const typename Update::Constants constants = shared.constants;
    const float scale = step.grad_scale == nullptr ? 1.f : *step.grad_scale;
    const int64_t begin = chunk * kStepChunk, end = begin + kStepChunk < step.n ? begin + kStepChunk : step.n;
    for (int s = first_after(begin); s < step.segment_count && step.segments[s].begin < end; ++s) {
      const ParamSegment segment = step.segments[s];
      const int64_t from = segment.begin > begin ? segment.begin : begin, to = segment.end < end ? segment.end : end;
      const float lr = *step.lr * segment.lr_scale, decay = segment.weight_decay;
      const auto updated = [=, own = update](int64_t i) {
        return own.template apply<1>(i, constants, lr, decay, scale);
      };
      if (Block::size() == 1) {  // two loops that the compiler turns into vectors; a chunk stays in the cache
        block.loop(static_cast<int>(to - from), [=](int k) { updated(from + k); });
        if (segment.working != nullptr) write_channels(block, segment, from, to);
        continue;
      }
      // Packs start at multiples of their width; the few elements before and after them go singly.
      const int64_t up = packs ? round_up(from, kWidth) : to, first = up < to ? up : to;
      const int64_t last = first + (to - first) / kWidth * kWidth;
      for (int64_t i = first + block.thread() * kWidth; i < last; i += block.size() * kWidth)
        write_working(segment, i, update.template apply<kWidth>(i, constants, lr, decay, scale));
      const int before = static_cast<int>(first - from), after = static_cast<int>(to - last);
#pragma unroll 1
      for (int k = block.thread(); k < before + after; k += block.size()) {
        const int64_t i = k < before ? from + k : last + k - before;
        write_working(segment, i, updated(i));
      }
    }
  }

 private:
  static constexpr int kWidth = kPackWidth<float>;  // a warp's accesses to the fp32 buffers touch one another

  // Parameters p of element i on.
  template <int W>
  FOVEA_HD static void write_working(const ParamSegment& segment, int64_t i, const Pack<float, W>& p) {
    if (segment.working == nullptr) return;
    const auto at = static_cast<uint32_t>(i - segment.begin);
    Pack<T, W> out;
    if (segment.scale == nullptr) {
      for (int k = 0; k < W; ++k) out[k] = static_cast<T>(p[k]);
    } else {
      const auto per_channel = static_cast<uint32_t>(segment.per_channel);
      uint32_t channel = at / per_channel, next = (channel + 1) * per_channel;
      float scale = segment.scale[channel];
      for (int k = 0; k < W; ++k) {
        if (k > 0 && at + k == next) {
          scale = segment.scale[++channel];
          next += per_channel;
        }
        out[k] = static_cast<T>(p[k] * scale);
      }
    }
    store_pack(static_cast<T*>(segment.working) + at, out);
  }

  // The same of elements [from, to), a channel at a time.
  template <class Block>
  FOVEA_HD void write_channels(Block& block, const ParamSegment& segment, int64_t from, int64_t to) const {
    const int64_t per_channel = segment.scale == nullptr ? segment.end - segment.begin : segment.per_channel;
    for (int64_t first = from; first < to;) {
      const int64_t channel = (first - segment.begin) / per_channel, next = segment.begin + (channel + 1) * per_channel;
      const int64_t last = next < to ? next : to;
      const float scale = segment.scale == nullptr ? 1.f : segment.scale[channel];
      const float* p = step.params + first;
      T* working = static_cast<T*>(segment.working) + (first - segment.begin);
      block.loop(static_cast<int>(last - first), [=](int k) { working[k] = static_cast<T>(p[k] * scale); });
      first = last;
    }
  }

  // The first segment that ends after element i.
  FOVEA_HD int first_after(int64_t i) const {
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

  struct Constants {};
  FOVEA_HD Constants constants() const { return {}; }
  template <int W>
  FOVEA_HD Pack<float, W> apply(int64_t i, const Constants&, float lr, float decay, float scale) const {
    const auto grad = load_pack<W>(grads + i);
    auto p = load_pack<W>(params + i);
    Pack<float, W> sum;
    if constexpr (MOMENTUM) sum = load_pack<W>(buffer + i);
    for (int k = 0; k < W; ++k) {
      const float g = scale * grad[k] + decay * p[k];
      float direction = g;
      if constexpr (MOMENTUM) {
        sum[k] = momentum * sum[k] + g;
        direction = nesterov ? g + momentum * sum[k] : sum[k];
      }
      p[k] -= lr * direction;
    }
    if constexpr (MOMENTUM) store_pack(buffer + i, sum);
    store_pack(params + i, p);
    return p;
  }
};

struct AdamW {
  float* params;
  const float* grads;
  float *m, *v;
  const int64_t* steps_done;
  AdamWSettings settings;

  struct Constants {
    float rate1, beta2, rate2, eps;               // 1 − beta1, beta2, 1 − beta2
    float inv_correction1, inv_root_correction2;  // 1 / (1 − beta1^t), 1 / sqrt(1 − beta2^t)
  };
  FOVEA_HD Constants constants() const {
    const double t = static_cast<double>(*steps_done + 1);
    return {static_cast<float>(1 - settings.beta1),
            static_cast<float>(settings.beta2),
            static_cast<float>(1 - settings.beta2),
            static_cast<float>(settings.eps),
            static_cast<float>(1 / (1 - std::pow(settings.beta1, t))),
            static_cast<float>(1 / std::sqrt(1 - std::pow(settings.beta2, t)))};
  }
  template <int W>
  FOVEA_HD Pack<float, W> apply(int64_t i, const Constants& c, float lr, float decay, float scale) const {
    const auto grad = load_pack<W>(grads + i);
    auto p = load_pack<W>(params + i), mean = load_pack<W>(m + i), square = load_pack<W>(v + i);
    for (int k = 0; k < W; ++k) {
      const float g = scale * grad[k];
      mean[k] += c.rate1 * (g - mean[k]);
      square[k] = c.beta2 * square[k] + c.rate2 * (g * g);
      const float denominator = std::sqrt(square[k]) * c.inv_root_correction2 + c.eps;
      p[k] = p[k] * (1 - lr * decay) - lr * c.inv_correction1 * (mean[k] / denominator);
    }
    store_pack(m + i, mean);
    store_pack(v + i, square);
    store_pack(params + i, p);
    return p;
  }
};

struct CountStep {
  const int32_t* skip;
  int64_t* steps_done;
  FOVEA_HD void operator()(int64_t) const {
    if (skip == nullptr || *skip == 0) ++*steps_done;
  }
};

struct Guard {
  StepGuard guard;
  FOVEA_HD void operator()(int64_t) const {
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
  FOVEA_HD void operator()(int64_t i) const {
    if (skip != nullptr && *skip != 0) return;
    const auto in = load_pack<W>(params + i);
    auto out = load_pack<W>(average + i);
    for (int k = 0; k < W; ++k) out[k] += rate * (in[k] - out[k]);
    store_pack(average + i, out);
  }
};

template <class Update>
void over_segments(Queue& queue, const char* name, const OptimizerStep& step, const Update& update, bool aligned) {
  dispatch(step.working_type, [&]<class T> {
    for_rows<256>(queue, name, ceil_div(step.n, kStepChunk), OverSegments<Update, T>{step, update, aligned});
  });
}

}  // namespace

void sgd_step(Queue& queue, const OptimizerStep& step, float* momentum_buffer, float momentum, bool nesterov) {
  require(momentum == 0 || momentum_buffer != nullptr, "SGD with momentum has no momentum buffer");
  if (momentum == 0)
    over_segments(queue, "sgd_step", step, Sgd<false>{step.params, step.grads, nullptr, 0, false},
                  all_aligned(16, step.params, step.grads));
  else
    over_segments(queue, "sgd_step", step, Sgd<true>{step.params, step.grads, momentum_buffer, momentum, nesterov},
                  all_aligned(16, step.params, step.grads, momentum_buffer));
}

void adamw_step(Queue& queue, const OptimizerStep& step, float* m, float* v, int64_t* steps_done,
                const AdamWSettings& settings) {
  over_segments(queue, "adamw_step", step, AdamW{step.params, step.grads, m, v, steps_done, settings},
                all_aligned(16, step.params, step.grads, m, v));
  for_each(queue, "adamw_count", 1, CountStep{step.skip, steps_done});
}

void guard_step(Queue& queue, const StepGuard& guard) { for_each(queue, "guard_step", 1, Guard{guard}); }

void ema(Queue& queue, int64_t n, float decay, const float* params, const int32_t* skip, float* average) {
  for_each_pack<4>(queue, "ema", n, Ema{1 - decay, params, skip, average}, all_aligned(16, params, average));
}

}  // namespace fovea::kernels
