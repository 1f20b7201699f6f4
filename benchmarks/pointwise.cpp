// Point-wise, norm, pooling, upsampling, image, reduction and optimiser kernels against the memory's bandwidth:
//   bench_pointwise [--runs 21] [--cpu-time] [--json FILE]
// Tensors are [2, 200, 200, 256] (P3 of a pair of images, and more than the caches hold), random, never zeros.

#include "benchmarks/bench.h"
#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/dtype.h"
#include "kernels/group_norm.h"
#include "kernels/image.h"
#include "kernels/optimizer.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "kernels/upsample.h"

using namespace fovea;
using namespace fovea::kernels;

namespace {

constexpr int kImages = 2, kSide = 200, kChannels = 256;
constexpr int64_t kRows = int64_t{kImages} * kSide * kSide, kCount = kRows * kChannels;

// `bytes`: of one tensor; the factors beside it are how many are read and written.
template <class T>
void activations(bench::Table& table, const char* dtype) {
  Queue queue;
  const auto a = bench::uniform<T>(kCount), b = bench::uniform<T>(kCount);
  auto dy = b;
  std::vector<T> y(kCount);
  std::vector<float> bias = bench::uniform<float>(kChannels), dbias(kChannels);
  const double bytes = kCount * sizeof(T);
  const auto run = [&](const char* name, double tensors, const auto& work) {
    table.run(name, dtype, tensors * bytes, work);
  };
  run("relu_forward", 2, [&] { relu_forward(queue, kCount, a.data(), y.data()); });
  run("relu_backward", 3, [&] { relu_backward(queue, kCount, a.data(), b.data(), y.data(), false); });
  run("add", 3, [&] { add(queue, kCount, a.data(), b.data(), y.data()); });
  run("add_relu", 3, [&] { add_relu(queue, kCount, a.data(), b.data(), y.data()); });
  run("sigmoid", 2, [&] { sigmoid(queue, kCount, a.data(), y.data()); });
  run("bias_forward", 2, [&] { bias_forward(queue, kRows, kChannels, a.data(), bias.data(), y.data()); });
  run("relu_bias_backward", 3,
      [&] { relu_bias_backward(queue, kRows, kChannels, a.data(), dy.data(), dbias.data(), false); });
  run("column_sum", 1, [&] { column_sum(queue, kRows, kChannels, a.data(), dbias.data(), false); });
}

template <class T>
void norms(bench::Table& table, const char* dtype) {
  Queue queue;
  const auto x = bench::uniform<T>(kCount), dy = bench::uniform<T>(kCount);
  std::vector<T> y(kCount), dx(kCount);
  const auto gamma = bench::uniform<float>(kChannels), beta = bench::uniform<float>(kChannels);
  std::vector<float> mean(kChannels), var(kChannels, 1.f), saved_mean(kChannels), saved_invstd(kChannels),
      dgamma(kChannels), dbeta(kChannels);
  const double bytes = kCount * sizeof(T);
  const BatchNormForward<T> forward{.rows = kRows,
                                    .channels = kChannels,
                                    .x = x.data(),
                                    .gamma = gamma.data(),
                                    .beta = beta.data(),
                                    .running_mean = mean.data(),
                                    .running_var = var.data(),
                                    .saved_mean = saved_mean.data(),
                                    .saved_invstd = saved_invstd.data(),
                                    .relu = true,
                                    .y = y.data()};
  table.run("batch_norm_train_forward", dtype, 3 * bytes, [&] { batch_norm_train_forward(queue, forward); });
  const BatchNormBackward<T> backward{.rows = kRows,
                                      .channels = kChannels,
                                      .x = x.data(),
                                      .y = y.data(),
                                      .dy = dy.data(),
                                      .gamma = gamma.data(),
                                      .saved_mean = saved_mean.data(),
                                      .saved_invstd = saved_invstd.data(),
                                      .dx = dx.data(),
                                      .dgamma = dgamma.data(),
                                      .dbeta = dbeta.data()};
  table.run("batch_norm_train_backward", dtype, 7 * bytes, [&] { batch_norm_train_backward(queue, backward); });
  table.run("batch_norm_eval", dtype, 2 * bytes, [&] { batch_norm_eval(queue, forward); });
  const GroupNormShape shape{kImages, kSide * kSide, kChannels, 32};
  table.run("group_norm_forward", dtype, 3 * bytes, [&] {
    group_norm_forward<T>(queue, {shape, x.data(), gamma.data(), beta.data(), 1e-5f, true, y.data(), saved_mean.data(),
                                  saved_invstd.data()});
  });
  table.run("group_norm_backward", dtype, 7 * bytes, [&] {
    group_norm_backward<T>(queue, {shape, x.data(), y.data(), dy.data(), gamma.data(), saved_mean.data(),
                                   saved_invstd.data(), dx.data(), false, dgamma.data(), dbeta.data(), false});
  });
}

template <class T>
void spatial(bench::Table& table, const char* dtype) {
  Queue queue;
  const auto x = bench::uniform<T>(kCount), quarter = bench::uniform<T>(kCount / 4);
  std::vector<T> y(kCount), small(kCount / 4);
  std::vector<uint8_t> argmax(kCount / 4);
  const double bytes = kCount * sizeof(T), argmax_bytes = kCount / 4.;
  const PoolShape pool{kImages, kSide, kSide, kChannels, 3};
  table.run("max_pool_forward", dtype, 1.25 * bytes,
            [&] { max_pool_forward<T>(queue, pool, x.data(), small.data(), nullptr); });
  table.run("max_pool_forward, argmax", dtype, 1.25 * bytes + argmax_bytes,
            [&] { max_pool_forward(queue, pool, x.data(), small.data(), argmax.data()); });
  table.run("max_pool_backward", dtype, 1.25 * bytes + argmax_bytes,
            [&] { max_pool_backward(queue, pool, argmax.data(), quarter.data(), y.data(), false); });
  const UpsampleShape up{kImages, kSide / 2, kSide / 2, kSide, kSide, kChannels};
  table.run("upsample_add", dtype, 2.25 * bytes, [&] { upsample_add(queue, up, quarter.data(), x.data(), y.data()); });
  table.run("upsample_backward", dtype, 1.25 * bytes,
            [&] { upsample_backward(queue, up, x.data(), small.data(), false); });
  std::vector<uint8_t> image(480 * 640 * 3);
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  std::vector<T> slot(800 * 1088 * 8);
  SourceImage source{.pixels = image.data(), .height = 480, .width = 640, .out_h = 800, .out_w = 1067};
  PreprocessArgs<T> args{.images = &source, .slots = slot.data(), .slot_h = 800, .slot_w = 1088, .slot_channels = 8};
  table.run("preprocess 640x480 up", dtype, image.size() + slot.size() * sizeof(T), [&] { preprocess(queue, args); });
  source.out_h = 240, source.out_w = 320, args.slot_h = 256, args.slot_w = 320, args.antialias = true;
  table.run("preprocess, antialias down", dtype, image.size() + 256. * 320 * 8 * sizeof(T),
            [&] { preprocess(queue, args); });
}

// 34 million parameters: RetinaNet R50.
void optimizers(bench::Table& table) {
  Queue queue;
  const int64_t n = 34'000'000;
  auto params = bench::uniform<float>(n), m = bench::uniform<float>(n), average = bench::uniform<float>(n);
  const auto grads = bench::uniform<float>(n);
  std::vector<float> v(n, 1.f);
  std::vector<bfloat16> folded(n);
  std::vector<ParamSegment> segments;
  for (int64_t i = 0; i < 200; ++i) segments.push_back({i * (n / 200), (i + 1) * (n / 200), 1, 1e-4f});
  const float lr = 1e-6f;
  double total = 0;
  int64_t steps = 0, count = 0;
  const OptimizerStep step{.n = n,
                           .segments = segments.data(),
                           .segment_count = static_cast<int>(segments.size()),
                           .params = params.data(),
                           .grads = grads.data(),
                           .lr = &lr};
  const double bytes = n * sizeof(float);
  table.run("sgd_step", "fp32", 5 * bytes, [&] { sgd_step(queue, step, m.data(), 0.9f, false); });
  table.run("adamw_step", "fp32", 7 * bytes, [&] { adamw_step(queue, step, m.data(), v.data(), &steps, {}); });
  table.run("ema", "fp32", 3 * bytes, [&] { ema(queue, n, 0.999f, params.data(), nullptr, average.data()); });
  table.run("sum_of_squares", "fp32", bytes, [&] { sum_of_squares(queue, n, grads.data(), &total); });
  table.run("count_nonfinite", "fp32", bytes, [&] { count_nonfinite(queue, n, grads.data(), &count); });
  table.run("cast to bf16", "fp32", 1.5 * bytes, [&] { cast(queue, n, params.data(), folded.data()); });
  const BatchNormFold fold{.out_channels = 34000,
                           .weights_per_channel = 1000,
                           .gamma = v.data(),
                           .beta = m.data(),
                           .mean = m.data(),
                           .var = v.data()};
  table.run("batch_norm_fold to bf16", "fp32", 1.5 * bytes,
            [&] { batch_norm_fold(queue, fold, params.data(), folded.data(), average.data()); });
}

}  // namespace

int main(int argc, char** argv) {
  return bench::table_program(argc, argv, "Point-wise kernels against the memory's bandwidth", [](bench::Table& table) {
    const auto both = [&]<class T>(const char* dtype) {
      activations<T>(table, dtype);
      norms<T>(table, dtype);
      spatial<T>(table, dtype);
    };
    both.operator()<float>("fp32");
    both.operator()<bfloat16>("bf16");
    optimizers(table);
  });
}
