// Ioffe & Szegedy 2015, algorithm 1, a channel over its n = rows values:
//   mean = Σx / n,  var = Σ(x − mean)² / n,  x̂ = (x − mean)·invstd,  invstd = 1 / sqrt(var + eps),  y = gamma·x̂ + beta
// and with g = dy where the ReLU let y through:
//   dbeta = Σg,  dgamma = Σ g·x̂,  dx = invstd·(h − mean(h) − x̂·mean(h·x̂)),  h = gamma·g
// Σx and Σx² are in fp64, where x² is exact: the difference that is the variance loses nothing that fp32 inputs had.
#include "kernels/batch_norm.h"

#include <cmath>

#include "kernels/activation.h"
#include "kernels/column_reduce.h"
#include "kernels/error.h"
#include "kernels/norm_terms.h"

namespace fovea::kernels {
namespace {

struct Statistics {
  float *running_mean, *running_var, *saved_mean, *saved_invstd;
  double rows;
  float momentum, eps;
  FOVEA_HD void operator()(int64_t, int64_t c, const double (&sums)[2]) const {
    const double mean = sums[0] / rows, square = sums[1] / rows - mean * mean;
    const double var = square < 0 ? 0 : square;  // NaN stays
    saved_mean[c] = static_cast<float>(mean);
    saved_invstd[c] = static_cast<float>(1 / std::sqrt(var + eps));
    running_mean[c] = static_cast<float>((1.0 - momentum) * running_mean[c] + momentum * mean);
    running_var[c] = static_cast<float>((1.0 - momentum) * running_var[c] + momentum * var * (rows / (rows - 1)));
  }
};

// Sums kept for what other ranks have to add to them: [2, columns].
struct KeepSums {
  double* kept;
  int64_t columns;
  FOVEA_HD void operator()(int64_t, int64_t c, const double (&sums)[2]) const {
    kept[c] = sums[0];
    kept[columns + c] = sums[1];
  }
};

// A finish of column_reduce applied to kept sums.
template <class Finish>
struct FinishKept {
  Finish finish;
  const double* kept;
  int64_t columns;
  FOVEA_HD void operator()(int64_t c) const {
    const double sums[2] = {kept[c], kept[columns + c]};
    finish(0, c, sums);
  }
};

template <class First, class Second>
struct FinishBoth {
  First first;
  Second second;
  FOVEA_HD void operator()(int64_t segment, int64_t c, const double (&sums)[2]) const {
    first(segment, c, sums);
    second(segment, c, sums);
  }
};

template <class Finish>
void finish_kept(Queue& queue, const Finish& finish, const double* kept, int64_t columns) {
  for_each(queue, "batch_norm_finish", columns, FinishKept<Finish>{finish, kept, columns});
}

// EVAL: `spread` is the variance, else the inverse standard deviation.
template <class T, bool ADD, bool EVAL>
struct Normalize {
  BatchNormForward<T> args;
  const float *mean, *spread;

  struct AtRow {
    const T *x, *add;
    T* y;
    const float *mean, *spread, *gamma, *beta;
    float eps;
    bool relu;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      const auto in = load_pack<W>(x + c);
      Pack<T, W> residual, out;
      if constexpr (ADD) residual = load_pack<W>(add + c);
      const auto center = load_pack<W>(mean + c), wide = load_pack<W>(spread + c), weight = load_pack<W>(gamma + c),
                 shift = load_pack<W>(beta + c);
      for (int k = 0; k < W; ++k) {
        const float invstd = EVAL ? 1 / std::sqrt(wide[k] + eps) : wide[k];
        float value = (in[k] - center[k]) * (weight[k] * invstd) + shift[k];
        if constexpr (ADD) value += residual[k];
        out[k] = static_cast<T>(relu && value < 0 ? 0.f : value);
      }
      store_pack(y + c, out);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const {
    const int64_t first = row * args.channels;
    return {
        args.x + first, ADD ? args.add + first : nullptr, args.y + first, mean, spread, args.gamma, args.beta, args.eps,
        args.relu};
  }
};

template <bool EVAL, class T>
void normalize(Queue& queue, const char* name, const BatchNormForward<T>& args, const float* mean,
               const float* spread) {
  const bool aligned = all_aligned(16, args.x, args.add, args.y, mean, spread, args.gamma, args.beta);
  if (args.add != nullptr)
    for_row_packs<kPackWidth<T>>(queue, name, args.rows, args.channels, Normalize<T, true, EVAL>{args, mean, spread},
                                 aligned);
  else
    for_row_packs<kPackWidth<T>>(queue, name, args.rows, args.channels, Normalize<T, false, EVAL>{args, mean, spread},
                                 aligned);
}

struct ParameterGradients {
  float *dgamma, *dbeta;
  bool accumulate;
  FOVEA_HD void operator()(int64_t, int64_t c, const double (&sums)[2]) const {
    dbeta[c] = static_cast<float>(accumulate ? dbeta[c] + sums[0] : sums[0]);
    dgamma[c] = static_cast<float>(accumulate ? dgamma[c] + sums[1] : sums[1]);
  }
};

struct InputGradientMeans {
  const float* gamma;
  float* means;  // [2, columns]: mean(h) and mean(h·x̂)
  int64_t columns;
  double rows;
  FOVEA_HD void operator()(int64_t, int64_t c, const double (&sums)[2]) const {
    means[c] = static_cast<float>(gamma[c] * sums[0] / rows);
    means[columns + c] = static_cast<float>(gamma[c] * sums[1] / rows);
  }
};

void check(int64_t rows) {
  if (rows < 2)
    throw Error(ErrorKind::Data,
                "batch norm in training has " + std::to_string(rows) +
                    " value(s) per channel and needs at least 2: use a larger batch or image, or frozen batch norm");
}

template <class T>
Statistics statistics(const BatchNormForward<T>& args, int64_t rows) {
  return {args.running_mean,         args.running_var, args.saved_mean, args.saved_invstd,
          static_cast<double>(rows), args.momentum,    args.eps};
}

template <class T, class Finish>
void reduce_moments(Queue& queue, const BatchNormForward<T>& args, const Finish& finish) {
  check(args.rows);
  queue.with_workspace(column_reduce_bytes(1, args.rows, args.channels, 2), [=, &queue](void* workspace) {
    column_reduce<kPackWidth<T>>(queue, "batch_norm_statistics", 1, args.rows, args.channels,
                                 Moments<T>{args.x, args.channels}, finish, all_aligned(16, args.x), workspace);
  });
}

template <class T, bool MASK, class Finish>
void reduce_gradients(Queue& queue, const BatchNormBackward<T>& args, const Finish& finish, void* workspace) {
  column_reduce<kPackWidth<T>>(
      queue, "batch_norm_backward_sums", 1, args.rows, args.channels,
      GradientMoments<T, MASK>{args.x, args.y, args.dy, args.saved_mean, args.saved_invstd, args.channels, args.rows},
      FinishBoth<ParameterGradients, Finish>{{args.dgamma, args.dbeta, args.accumulate_parameters}, finish},
      all_aligned(16, args.x, args.y, args.dy, args.saved_mean, args.saved_invstd), workspace);
}

template <class T, bool MASK>
void input_gradient(Queue& queue, const BatchNormBackward<T>& args, const float* means) {
  norm_input_gradient<MASK>(queue, "batch_norm_backward", args,
                            {.rows = args.rows,
                             .columns = args.channels,
                             .segment_rows = args.rows,
                             .mean = args.saved_mean,
                             .invstd = args.saved_invstd,
                             .mean_h = means,
                             .mean_hx = means + args.channels});
}

size_t means_bytes(int channels) { return 2 * sizeof(float) * channels; }

// What is left to do once dadd is written: where it holds dy masked, nothing needs the mask again.
template <class T>
BatchNormBackward<T> behind_residual(const BatchNormBackward<T>& args) {
  BatchNormBackward<T> rest = args;
  if (args.dadd != nullptr && !args.accumulate_dadd) {
    rest.dy = args.dadd;
    rest.y = nullptr;
  }
  return rest;
}

template <class T>
void residual_gradient(Queue& queue, const BatchNormBackward<T>& args) {
  const int64_t n = args.rows * args.channels;
  if (args.dadd == nullptr) return;
  if (args.y != nullptr)
    relu_backward(queue, n, args.y, args.dy, args.dadd, args.accumulate_dadd);
  else if (args.accumulate_dadd)
    add_into(queue, n, args.dy, args.dadd);
  else if (args.dadd != args.dy)
    queue.copy(args.dadd, args.dy, n * sizeof(T));
}

// f.operator()<MASK>()
template <class T, class F>
void with_mask(const BatchNormBackward<T>& args, const F& f) {
  args.y != nullptr ? f.template operator()<true>() : f.template operator()<false>();
}

}  // namespace

template <class T>
void batch_norm_train_forward(Queue& queue, const BatchNormForward<T>& args) {
  reduce_moments(queue, args, statistics(args, args.rows));
  normalize<false>(queue, "batch_norm_forward", args, args.saved_mean, args.saved_invstd);
}

template <class T>
void batch_norm_sums(Queue& queue, const BatchNormForward<T>& args, double* sums) {
  reduce_moments(queue, args, KeepSums{sums, args.channels});
}

template <class T>
void batch_norm_apply(Queue& queue, const BatchNormForward<T>& args, const double* sums, int64_t summed_rows) {
  finish_kept(queue, statistics(args, summed_rows), sums, args.channels);
  normalize<false>(queue, "batch_norm_forward", args, args.saved_mean, args.saved_invstd);
}

template <class T>
void batch_norm_eval(Queue& queue, const BatchNormForward<T>& args) {
  normalize<true>(queue, "batch_norm_eval", args, args.running_mean, args.running_var);
}

template <class T>
void batch_norm_train_backward(Queue& queue, const BatchNormBackward<T>& args) {
  residual_gradient(queue, args);
  const BatchNormBackward<T> rest = behind_residual(args);
  const size_t partial_bytes = column_reduce_bytes(1, rest.rows, rest.channels, 2);
  queue.with_workspace(partial_bytes + means_bytes(rest.channels), [=, &queue](void* workspace) {
    float* means = reinterpret_cast<float*>(static_cast<char*>(workspace) + partial_bytes);
    with_mask(rest, [&]<bool MASK> {
      reduce_gradients<T, MASK>(
          queue, rest, InputGradientMeans{rest.gamma, means, rest.channels, static_cast<double>(rest.rows)}, workspace);
      input_gradient<T, MASK>(queue, rest, means);
    });
  });
}

template <class T>
void batch_norm_backward_sums(Queue& queue, const BatchNormBackward<T>& args, double* sums) {
  residual_gradient(queue, args);
  const BatchNormBackward<T> rest = behind_residual(args);
  queue.with_workspace(column_reduce_bytes(1, rest.rows, rest.channels, 2), [=, &queue](void* workspace) {
    with_mask(rest,
              [&]<bool MASK> { reduce_gradients<T, MASK>(queue, rest, KeepSums{sums, rest.channels}, workspace); });
  });
}

template <class T>
void batch_norm_backward_apply(Queue& queue, const BatchNormBackward<T>& args, const double* sums,
                               int64_t summed_rows) {
  const BatchNormBackward<T> rest = behind_residual(args);
  queue.with_workspace(means_bytes(rest.channels), [=, &queue](void* workspace) {
    float* means = static_cast<float*>(workspace);
    finish_kept(queue, InputGradientMeans{rest.gamma, means, rest.channels, static_cast<double>(summed_rows)}, sums,
                rest.channels);
    with_mask(rest, [&]<bool MASK> { input_gradient<T, MASK>(queue, rest, means); });
  });
}

#define INSTANTIATE(T)                                                                           \
  template void batch_norm_train_forward<T>(Queue&, const BatchNormForward<T>&);                 \
  template void batch_norm_sums<T>(Queue&, const BatchNormForward<T>&, double*);                 \
  template void batch_norm_apply<T>(Queue&, const BatchNormForward<T>&, const double*, int64_t); \
  template void batch_norm_eval<T>(Queue&, const BatchNormForward<T>&);                          \
  template void batch_norm_train_backward<T>(Queue&, const BatchNormBackward<T>&);               \
  template void batch_norm_backward_sums<T>(Queue&, const BatchNormBackward<T>&, double*);       \
  template void batch_norm_backward_apply<T>(Queue&, const BatchNormBackward<T>&, const double*, int64_t);
INSTANTIATE(float)
INSTANTIATE(bfloat16)

}  // namespace fovea::kernels
