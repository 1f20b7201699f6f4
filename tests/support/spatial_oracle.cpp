#include "tests/support/spatial_oracle.h"

#include <algorithm>
#include <cmath>

namespace fovea::test {

PoolOracle oracle_max_pool(const kernels::PoolShape& s, const std::vector<double>& x) {
  PoolOracle out;
  const int pad = s.pad;
  for (int n = 0; n < s.batch; ++n)
    for (int p = 0; p < s.out_h(); ++p)
      for (int q = 0; q < s.out_w(); ++q)
        for (int c = 0; c < s.channels; ++c) {
          double best = -INFINITY;
          size_t from = SIZE_MAX;
          for (int h = std::max(0, 2 * p - pad); h < std::min(s.in_h, 2 * p - pad + s.kernel); ++h)
            for (int w = std::max(0, 2 * q - pad); w < std::min(s.in_w, 2 * q - pad + s.kernel); ++w) {
              const size_t i = ((size_t(n) * s.in_h + h) * s.in_w + w) * s.channels + c;
              if (from != SIZE_MAX && !(x[i] > best) && !std::isnan(x[i])) continue;
              best = x[i];
              from = i;
            }
          out.y.push_back(best);
          out.from.push_back(from);
        }
  return out;
}

std::vector<size_t> oracle_upsample_source(const kernels::UpsampleShape& s) {
  const auto source = [](int d, int in, int out) {
    const float scale = static_cast<float>(in) / static_cast<float>(out);  // as PyTorch: in fp32
    return std::min(static_cast<int>(std::floor(static_cast<float>(d) * scale)), in - 1);
  };
  std::vector<size_t> from;
  for (int n = 0; n < s.batch; ++n)
    for (int h = 0; h < s.out_h; ++h)
      for (int w = 0; w < s.out_w; ++w)
        for (int c = 0; c < s.channels; ++c)
          from.push_back(((size_t(n) * s.in_h + source(h, s.in_h, s.out_h)) * s.in_w + source(w, s.in_w, s.out_w)) *
                             s.channels +
                         c);
  return from;
}

namespace {

// The weight of every input pixel for output pixel o.
std::vector<double> resize_weights(int in, int out, int o, bool antialias) {
  std::vector<double> weights(in, 0.0);
  const double scale = static_cast<double>(in) / out;
  if (!antialias) {
    const double source = std::max(0.0, (o + 0.5) * scale - 0.5);
    const int low = std::min(static_cast<int>(source), in - 1), high = std::min(low + 1, in - 1);
    weights[low] += 1 - (source - low);
    weights[high] += source - low;
    return weights;
  }
  const double filter_scale = std::max(1.0, scale), center = (o + 0.5) * scale;
  const int begin = std::max(0, static_cast<int>(center - filter_scale + 0.5));
  const int end = std::min(in, static_cast<int>(center + filter_scale + 0.5));
  double sum = 0;
  for (int i = begin; i < end; ++i) {
    weights[i] = std::max(0.0, 1 - std::abs((i - center + 0.5) / filter_scale));
    sum += weights[i];
  }
  for (double& w : weights) w /= sum;
  return weights;
}

}  // namespace

Reference oracle_preprocess(const kernels::PreprocessArgs<float>& args) {
  const size_t slot_size = size_t(args.slot_h) * args.slot_w * args.slot_channels;
  Reference slots(args.batch * slot_size);
  for (int n = 0; n < args.batch; ++n) {
    const kernels::SourceImage& image = args.images[n];
    for (int row = 0; row < image.out_h; ++row) {
      const auto vertical = resize_weights(image.height, image.out_h, row, args.antialias);
      for (int column = 0; column < image.out_w; ++column) {
        const auto horizontal = resize_weights(image.width, image.out_w, column, args.antialias);
        const int placed = image.flip != 0 ? image.out_w - 1 - column : column;
        for (int c = 0; c < 3; ++c) {
          double value = 0;
          for (int y = 0; y < image.height; ++y)
            for (int x = 0; vertical[y] > 0 && x < image.width; ++x)
              value += vertical[y] * horizontal[x] * image.pixels[(size_t(y) * image.width + x) * 3 + c];
          const size_t i = n * slot_size + (size_t(row) * args.slot_w + placed) * args.slot_channels + c;
          slots.add(i, value / 255 * args.inv_std[c]);
          slots.add(i, -static_cast<double>(args.mean[c]) * args.inv_std[c]);
        }
      }
    }
  }
  return slots;
}

}  // namespace fovea::test
