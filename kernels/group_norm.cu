// Wu & He 2018, eq. 1 to 3: as batch norm, but a set is one image's group of neighboring channels over all its pixels,
// of n = pixels · channels / groups values:  y = gamma·x̂ + beta,  x̂ = (x − mean)·invstd.  With g = dy where the ReLU
// let y through and h = gamma·g:
//   dbeta = Σg,  dgamma = Σ g·x̂ (over images and pixels),  dx = invstd·(h − mean_set(h) − x̂·mean_set(h·x̂))
// Every sum goes down the columns of each image first ([images, channels]); the groups then add up their channels.
#include "kernels/group_norm.h"

#include <cmath>

#include "kernels/column_reduce.h"
#include "kernels/error.h"
#include "kernels/norm_terms.h"

namespace fovea::kernels {
namespace {

// Sums of each image's columns, [images, 2, channels], for the kernels that follow.
struct StoreSums {
  double* sums;
  int64_t channels;
  FOVEA_HD void operator()(int64_t image, int64_t c, const double (&value)[2]) const {
    sums[(image * 2) * channels + c] = value[0];
    sums[(image * 2 + 1) * channels + c] = value[1];
  }
};

struct GroupStatistics {
  GroupNormShape shape;
  const double* sums;
  float *mean, *invstd;
  float eps;
  FOVEA_HD void operator()(int64_t i) const {
    const int64_t image = i / shape.groups, group = i % shape.groups, width = shape.channels / shape.groups;
    const double* x = sums + image * 2 * shape.channels + group * width;
    double sum = 0, squares = 0;
    for (int64_t c = 0; c < width; ++c) {
      sum += x[c];
      squares += x[shape.channels + c];
    }
    const double n = static_cast<double>(shape.pixels * width);
    const double average = sum / n, square = squares / n - average * average;
    mean[i] = static_cast<float>(average);
    invstd[i] = static_cast<float>(1 / std::sqrt((square < 0 ? 0 : square) + eps));
  }
};

// Per channel of each image, what the group gives it: [images, channels].
struct SpreadOverChannels {
  GroupNormShape shape;
  const float *mean, *invstd;  // [images, groups]
  float *mean_of, *invstd_of;  // [images, channels]
  FOVEA_HD void operator()(int64_t image, int64_t c) const {
    const int64_t set = image * shape.groups + c / (shape.channels / shape.groups);
    mean_of[image * shape.channels + c] = mean[set];
    invstd_of[image * shape.channels + c] = invstd[set];
  }
};

template <class T>
struct GroupNormalize {
  GroupNormForward<T> args;
  const float *mean, *invstd;  // [images, channels]

  struct AtRow {
    const T* x;
    T* y;
    const float *mean, *invstd, *gamma, *beta;
    bool relu;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      const auto in = load_pack<W>(x + c);
      const auto center = load_pack<W>(mean + c), scale = load_pack<W>(invstd + c), weight = load_pack<W>(gamma + c),
                 shift = load_pack<W>(beta + c);
      Pack<T, W> out;
      for (int k = 0; k < W; ++k) {
        const float value = (in[k] - center[k]) * (weight[k] * scale[k]) + shift[k];
        out[k] = static_cast<T>(relu && value < 0 ? 0.f : value);
      }
      store_pack(y + c, out);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const {
    const int64_t first = row * args.shape.channels, image = segment_of(row, args.shape.pixels) * args.shape.channels;
    return {args.x + first, args.y + first, mean + image, invstd + image, args.gamma, args.beta, args.relu};
  }
};

// dgamma and dbeta of one channel, over the images in order.
struct GroupParameterGradients {
  GroupNormShape shape;
  const double* sums;
  float *dgamma, *dbeta;
  bool accumulate;
  FOVEA_HD void operator()(int64_t c) const {
    double beta = accumulate ? dbeta[c] : 0, gamma = accumulate ? dgamma[c] : 0;
    for (int64_t image = 0; image < shape.images; ++image) {
      beta += sums[image * 2 * shape.channels + c];
      gamma += sums[(image * 2 + 1) * shape.channels + c];
    }
    dbeta[c] = static_cast<float>(beta);
    dgamma[c] = static_cast<float>(gamma);
  }
};

// mean_set(h) and mean_set(h·x̂), spread over the set's channels: [images, channels].
struct GroupMeans {
  GroupNormShape shape;
  const double* sums;
  const float* gamma;
  float *mean_h, *mean_hx;
  FOVEA_HD void operator()(int64_t i) const {
    const int64_t image = i / shape.groups, group = i % shape.groups, width = shape.channels / shape.groups;
    const double* g = sums + image * 2 * shape.channels;
    double h = 0, hx = 0;
    for (int64_t c = group * width; c < (group + 1) * width; ++c) {
      h += gamma[c] * g[c];
      hx += gamma[c] * g[shape.channels + c];
    }
    const double n = static_cast<double>(shape.pixels * width);
    for (int64_t c = group * width; c < (group + 1) * width; ++c) {
      mean_h[image * shape.channels + c] = static_cast<float>(h / n);
      mean_hx[image * shape.channels + c] = static_cast<float>(hx / n);
    }
  }
};

// The workspace of both passes: the column sums' own, the sums of each image, and values spread over channels.
struct GroupScratch {
  size_t partial_bytes, sums_bytes, spread_bytes;
  explicit GroupScratch(const GroupNormShape& s)
      : partial_bytes(column_reduce_bytes(s.images, s.pixels, s.channels, 2)),
        sums_bytes(sizeof(double) * 2 * s.images * s.channels),
        spread_bytes(sizeof(float) * s.images * s.channels) {}
  size_t bytes() const { return partial_bytes + sums_bytes + 4 * spread_bytes; }
  double* sums(void* workspace) const {
    return reinterpret_cast<double*>(static_cast<char*>(workspace) + partial_bytes);
  }
  float* spread(void* workspace, int i) const {
    return reinterpret_cast<float*>(static_cast<char*>(workspace) + partial_bytes + sums_bytes + i * spread_bytes);
  }
};

void check(const GroupNormShape& shape) {
  require(shape.groups > 0 && shape.channels % shape.groups == 0,
          "group norm's channels are not a multiple of its groups");
}

template <class T, bool MASK>
void backward(Queue& queue, const GroupNormBackward<T>& args) {
  constexpr int kWidth = kPackWidth<T>;
  const GroupNormShape shape = args.shape;
  const GroupScratch scratch(shape);
  const bool aligned = all_aligned(16, args.x, args.y, args.dy);
  queue.with_workspace(scratch.bytes(), [=, &queue](void* workspace) {
    double* sums = scratch.sums(workspace);
    float *mean = scratch.spread(workspace, 0), *invstd = scratch.spread(workspace, 1);
    float *mean_h = scratch.spread(workspace, 2), *mean_hx = scratch.spread(workspace, 3);
    for_each_2d(queue, "group_norm_spread", shape.images, shape.channels,
                SpreadOverChannels{shape, args.saved_mean, args.saved_invstd, mean, invstd});
    const GradientMoments<T, MASK> terms{args.x, args.y, args.dy, mean, invstd, shape.channels, shape.pixels};
    column_reduce<kWidth>(queue, "group_norm_backward_sums", shape.images, shape.pixels, shape.channels, terms,
                          StoreSums{sums, shape.channels}, aligned && all_aligned(16, mean, invstd), workspace);
    for_each(queue, "group_norm_parameters", shape.channels,
             GroupParameterGradients{shape, sums, args.dgamma, args.dbeta, args.accumulate_parameters});
    for_each(queue, "group_norm_means", int64_t{shape.images} * shape.groups,
             GroupMeans{shape, sums, args.gamma, mean_h, mean_hx});
    norm_input_gradient<MASK>(queue, "group_norm_backward", args,
                              {.rows = shape.images * shape.pixels,
                               .columns = shape.channels,
                               .segment_rows = shape.pixels,
                               .mean = mean,
                               .invstd = invstd,
                               .mean_h = mean_h,
                               .mean_hx = mean_hx});
  });
}

}  // namespace

template <class T>
void group_norm_forward(Queue& queue, const GroupNormForward<T>& args) {
  check(args.shape);
  constexpr int kWidth = kPackWidth<T>;
  const GroupNormShape shape = args.shape;
  const GroupScratch scratch(shape);
  queue.with_workspace(scratch.bytes(), [=, &queue](void* workspace) {
    double* sums = scratch.sums(workspace);
    float *mean = scratch.spread(workspace, 0), *invstd = scratch.spread(workspace, 1);
    column_reduce<kWidth>(queue, "group_norm_statistics", shape.images, shape.pixels, shape.channels,
                          Moments<T>{args.x, shape.channels}, StoreSums{sums, shape.channels}, all_aligned(16, args.x),
                          workspace);
    for_each(queue, "group_norm_statistics", int64_t{shape.images} * shape.groups,
             GroupStatistics{shape, sums, args.saved_mean, args.saved_invstd, args.eps});
    for_each_2d(queue, "group_norm_spread", shape.images, shape.channels,
                SpreadOverChannels{shape, args.saved_mean, args.saved_invstd, mean, invstd});
    for_row_packs<kWidth>(queue, "group_norm_forward", shape.images * shape.pixels, shape.channels,
                          GroupNormalize<T>{args, mean, invstd},
                          all_aligned(16, args.x, args.y, mean, invstd, args.gamma, args.beta));
  });
}

template <class T>
void group_norm_backward(Queue& queue, const GroupNormBackward<T>& args) {
  check(args.shape);
  args.y != nullptr ? backward<T, true>(queue, args) : backward<T, false>(queue, args);
}

#define INSTANTIATE(T)                                                     \
  template void group_norm_forward<T>(Queue&, const GroupNormForward<T>&); \
  template void group_norm_backward<T>(Queue&, const GroupNormBackward<T>&);
INSTANTIATE(float)
INSTANTIATE(bfloat16)

}  // namespace fovea::kernels
