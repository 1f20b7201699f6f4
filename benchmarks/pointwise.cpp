// Point-wise, norm, pooling, upsampling, image, reduction and optimizer kernels against the memory's bandwidth:
//   bench_pointwise [--device cpu|cuda] [--kernel TEXT] [--runs 21] [--cpu-time] [--json FILE]
// Tensors are [2, 200, 200, 256] (P3 of a pair of images, and more than the caches hold), random, never zeros.

#include "benchmarks/bench.h"
#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/group_norm.h"
#include "kernels/image.h"
#include "kernels/launch/dtype.h"
#include "kernels/optimizer.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "kernels/upsample.h"

using namespace fovea;
using namespace fovea::kernels;

namespace {

constexpr int kImages = 2, kSide = 200, kChannels = 256;
constexpr int64_t kRows = int64_t{kImages} * kSide * kSide, kCount = kRows * kChannels;

template <class T>
bench::Buffer<T> random_buffer(Queue& queue, int64_t count) {
  return {queue, bench::uniform<T>(count)};
}

template <class T>
void activations(bench::Table& table, const char* dtype) {
  Queue& queue = table.queue();
  const auto a = random_buffer<T>(queue, kCount), b = random_buffer<T>(queue, kCount);
  auto dy = random_buffer<T>(queue, kCount);
  bench::Buffer<T> y(queue, kCount);
  const auto bias = random_buffer<float>(queue, kChannels);
  bench::Buffer<float> dbias(queue, kChannels);
  bench::Buffer<double> sums(queue, static_cast<int64_t>(bias_sums_bytes(kRows, kChannels) / sizeof(double)));
  const auto run = [&](const char* name, const Traffic& traffic, const auto& work) {
    table.run(name, dtype, traffic, work);
  };
  run("relu_forward", traffic::relu_forward<T>(kCount), [&] { relu_forward(queue, kCount, a.data(), y.data()); });
  run("relu_backward", traffic::relu_backward<T>(kCount, false),
      [&] { relu_backward(queue, kCount, a.data(), b.data(), y.data(), false); });
  run("add", traffic::add<T>(kCount), [&] { add(queue, kCount, a.data(), b.data(), y.data()); });
  run("add_relu", traffic::add<T>(kCount), [&] { add_relu(queue, kCount, a.data(), b.data(), y.data()); });
  run("sigmoid", traffic::sigmoid<T>(kCount), [&] { sigmoid(queue, kCount, a.data(), y.data()); });
  run("bias_forward", traffic::bias_forward<T>(kRows, kChannels),
      [&] { bias_forward(queue, kRows, kChannels, a.data(), bias.data(), y.data()); });
  run("relu_bias_backward", traffic::relu_bias_backward<T>(kRows, kChannels), [&] {
    relu_bias_backward(queue, kRows, kChannels, a.data(), dy.data(), sums.data());
    fold_bias_sums(queue, {{sums.data(), kRows}}, kChannels, dbias.data(), false);
  });
  run("column_sum", traffic::column_sum<T>(kRows, kChannels),
      [&] { column_sum(queue, kRows, kChannels, a.data(), dbias.data(), false); });
}

template <class T>
void norms(bench::Table& table, const char* dtype) {
  Queue& queue = table.queue();
  const auto x = random_buffer<T>(queue, kCount), dy = random_buffer<T>(queue, kCount);
  bench::Buffer<T> y(queue, kCount), dx(queue, kCount);
  const auto gamma = random_buffer<float>(queue, kChannels), beta = random_buffer<float>(queue, kChannels);
  bench::Buffer<float> mean(queue, kChannels), var(queue, std::vector<float>(kChannels, 1.f)),
      saved_mean(queue, kImages * kChannels), saved_invstd(queue, kImages * kChannels), dgamma(queue, kChannels),
      dbeta(queue, kChannels);
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
  table.run("batch_norm_train_forward", dtype, traffic::norm_forward<T>(kCount),
            [&] { batch_norm_train_forward(queue, forward); });
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
  table.run("batch_norm_train_backward", dtype, traffic::norm_backward<T>(kCount, true, false),
            [&] { batch_norm_train_backward(queue, backward); });
  table.run("batch_norm_eval", dtype, traffic::batch_norm_eval<T>(kCount, false),
            [&] { batch_norm_eval(queue, forward); });
  const GroupNormShape shape{kImages, kSide * kSide, kChannels, 32};
  table.run("group_norm_forward", dtype, traffic::norm_forward<T>(kCount), [&] {
    group_norm_forward<T>(queue, {shape, x.data(), gamma.data(), beta.data(), 1e-5f, true, y.data(), saved_mean.data(),
                                  saved_invstd.data()});
  });
  table.run("group_norm_backward", dtype, traffic::norm_backward<T>(kCount, true, false), [&] {
    group_norm_backward<T>(queue, {shape, x.data(), y.data(), dy.data(), gamma.data(), saved_mean.data(),
                                   saved_invstd.data(), dx.data(), false, dgamma.data(), dbeta.data(), false});
  });
}

template <class T>
void spatial(bench::Table& table, const char* dtype) {
  Queue& queue = table.queue();
  const auto x = random_buffer<T>(queue, kCount), quarter = random_buffer<T>(queue, kCount / 4);
  bench::Buffer<T> y(queue, kCount), small(queue, kCount / 4);
  bench::Buffer<uint8_t> argmax(queue, kCount / 4);
  const PoolShape pool{kImages, kSide, kSide, kChannels, 3};
  table.run("max_pool_forward", dtype, traffic::max_pool_forward<T>(pool, false),
            [&] { max_pool_forward<T>(queue, pool, x.data(), small.data(), nullptr); });
  table.run("max_pool_forward, argmax", dtype, traffic::max_pool_forward<T>(pool, true),
            [&] { max_pool_forward(queue, pool, x.data(), small.data(), argmax.data()); });
  table.run("max_pool_backward", dtype, traffic::max_pool_backward<T>(pool, false),
            [&] { max_pool_backward(queue, pool, argmax.data(), quarter.data(), y.data(), false); });
  const UpsampleShape up{kImages, kSide / 2, kSide / 2, kSide, kSide, kChannels};
  table.run("upsample_add", dtype, traffic::upsample_add<T>(up, true),
            [&] { upsample_add(queue, up, quarter.data(), x.data(), y.data()); });
  table.run("upsample_backward", dtype, traffic::upsample_backward<T>(up, false),
            [&] { upsample_backward(queue, up, x.data(), small.data(), false); });
  std::vector<uint8_t> pixels(480 * 640 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  const bench::Buffer<uint8_t> image(queue, pixels);
  bench::Buffer<T> slot(queue, 800 * 1088 * 8);
  const auto preprocessed = [&](const char* name, int out_h, int out_w, int slot_h, int slot_w, bool antialias) {
    const bench::Buffer<SourceImage> source(
        queue, std::vector<SourceImage>{
                   {.pixels = image.data(), .height = 480, .width = 640, .out_h = out_h, .out_w = out_w}});
    PreprocessArgs<T> args{.images = source.data(),
                           .antialias = antialias,
                           .slots = slot.data(),
                           .slot_h = slot_h,
                           .slot_w = slot_w,
                           .slot_channels = 8};
    bench::Buffer<std::byte> workspace(queue, preprocess_workspace(args));
    args.workspace = workspace.data();
    table.run(name, dtype, traffic::preprocess(args, int64_t{480} * 640 * 3), [&] { preprocess(queue, args); });
  };
  preprocessed("preprocess 640x480 up", 800, 1067, 800, 1088, false);
  preprocessed("preprocess, antialias down", 240, 320, 256, 320, true);
}

// 34 million parameters: RetinaNet R50.
void optimizers(bench::Table& table) {
  Queue& queue = table.queue();
  const int64_t n = 34'000'000;
  auto params = random_buffer<float>(queue, n), m = random_buffer<float>(queue, n);
  auto average = random_buffer<float>(queue, n);
  const auto grads = random_buffer<float>(queue, n);
  bench::Buffer<float> v(queue, std::vector<float>(n, 1.f));
  bench::Buffer<bfloat16> folded(queue, n);
  std::vector<ParamSegment> ranges;
  const int64_t segment = n / 200, channel = 1000;
  for (int64_t begin = 0; begin < n; begin += segment)
    ranges.push_back({begin, begin + segment, 1, 1e-4f, folded.data() + begin, v.data() + begin / channel, channel});
  const bench::Buffer<ParamSegment> segments(queue, ranges);
  const bench::Buffer<float> lr(queue, std::vector<float>{1e-6f});
  bench::Buffer<double> total(queue, 1);
  bench::Buffer<int64_t> steps(queue, 1), count(queue, 1);
  const OptimizerStep step{.n = n,
                           .segments = segments.data(),
                           .segment_count = static_cast<int>(segments.size()),
                           .params = params.data(),
                           .grads = grads.data(),
                           .lr = lr.data(),
                           .working_type = DType::BF16};
  table.run("sgd_step", "fp32", traffic::sgd_step(n, true, sizeof(bfloat16)),
            [&] { sgd_step(queue, step, m.data(), 0.9f, false); });
  table.run("adamw_step", "fp32", traffic::adamw_step(n, sizeof(bfloat16)),
            [&] { adamw_step(queue, step, m.data(), v.data(), steps.data(), {}); });
  table.run("ema", "fp32", traffic::ema(n), [&] { ema(queue, n, 0.999f, params.data(), nullptr, average.data()); });
  table.run("sum_of_squares", "fp32", traffic::sum_of(n),
            [&] { sum_of_squares(queue, n, grads.data(), total.data()); });
  table.run("count_nonfinite", "fp32", traffic::sum_of(n),
            [&] { count_nonfinite(queue, n, grads.data(), count.data()); });
  table.run("cast to bf16", "fp32", traffic::cast<float, bfloat16>(n),
            [&] { cast(queue, n, params.data(), folded.data()); });
  const BatchNormFold fold{.out_channels = static_cast<int>(n / channel),
                           .weights_per_channel = channel,
                           .gamma = v.data(),
                           .beta = m.data(),
                           .mean = m.data(),
                           .var = v.data()};
  table.run("batch_norm_fold to bf16", "fp32", traffic::batch_norm_fold<bfloat16>(fold),
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
