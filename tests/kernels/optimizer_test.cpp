#include "kernels/optimizer.h"

#include <limits>

#include "tests/support/golden.h"
#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;

namespace {

struct Settings {
  double lr, momentum = 0, weight_decay = 0;
  bool nesterov = false;
};
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;

// One element through `grads.size()` steps, in fp64; `mag` adds up what was added to the parameter.
struct Scalar {
  double p, mag, buffer = 0, m = 0, v = 0, mag_m = 0;
  int steps = 0;
  explicit Scalar(double start) : p(start), mag(std::abs(start)) {}

  void sgd(double grad, const Settings& s) {
    const double g = grad + s.weight_decay * p;
    buffer = s.momentum * buffer + g;
    mag_m = s.momentum * mag_m + std::abs(grad) + s.weight_decay * mag;
    p -= s.lr * (s.nesterov ? g + s.momentum * buffer : buffer);
    mag += s.lr * (s.nesterov ? std::abs(g) + s.momentum * mag_m : mag_m);
  }
  void adamw(double g, const Settings& s) {
    ++steps;
    m = kBeta1 * m + (1 - kBeta1) * g;
    mag_m = kBeta1 * mag_m + (1 - kBeta1) * std::abs(g);
    v = kBeta2 * v + (1 - kBeta2) * g * g;
    const double correction1 = 1 - std::pow(kBeta1, steps), correction2 = 1 - std::pow(kBeta2, steps);
    const double step = s.lr / correction1 / (std::sqrt(v / correction2) + kEps);
    p = p - s.lr * s.weight_decay * p - step * m;
    mag += s.lr * s.weight_decay * std::abs(p) + step * mag_m;
  }
};

// Buffers of one optimizer over a flat vector of parameters.
struct Run {
  std::vector<float> params, m, v;
  std::vector<kernels::ParamSegment> segments;
  Single<float> lr, grad_scale = 1;
  Single<int32_t> skip;
  Single<int64_t> steps_done;

  Run(const std::vector<float>& start, std::vector<kernels::ParamSegment> given, double rate)
      : params(start), m(start.size()), v(start.size()), segments(std::move(given)), lr(static_cast<float>(rate)) {}
  kernels::OptimizerStep step(const std::vector<float>& grads) {
    return {.n = static_cast<int64_t>(params.size()),
            .segments = segments.data(),
            .segment_count = static_cast<int>(segments.size()),
            .params = params.data(),
            .grads = grads.data(),
            .lr = &lr,
            .grad_scale = &grad_scale,
            .skip = &skip};
  }
};

// Of a parameter after `steps` steps: a step's direction takes 6 roundings more than the last one's (SGD), m and v 4 a
// step, the quotient 6 (AdamW); two more a step for the parameter.
double sgd_roundings(int steps) { return 8.0 * steps; }
double adamw_roundings(int steps) { return 8.0 * steps + 8; }

}  // namespace

TEST_CASE("golden: ten steps of every optimizer agree with PyTorch", "[optimizer]") {
  const auto file = golden("optimizers");
  const auto start = file.read<double>("w0"), grads = file.read<double>("grads");
  const size_t n = start.size(), steps = grads.size() / n;
  const auto check = [&](const std::string& name, const Settings& s, bool adamw) {
    CAPTURE(name);
    const auto expected = file.read<double>(name);
    for_each_way_to_run([&](Queue& queue) {
      Run run(std::vector<float>(start.begin(), start.end()),
              {{0, static_cast<int64_t>(n), 1, static_cast<float>(s.weight_decay)}}, s.lr);
      std::vector<Scalar> scalars(start.begin(), start.end());
      for (size_t step = 0; step < steps; ++step) {
        const std::vector<float> g(grads.begin() + step * n, grads.begin() + (step + 1) * n);
        if (adamw)
          kernels::adamw_step(queue, run.step(g), run.m.data(), run.v.data(), &run.steps_done, {kBeta1, kBeta2, kEps});
        else
          kernels::sgd_step(queue, run.step(g), run.m.data(), static_cast<float>(s.momentum), s.nesterov);
        Reference reference(n);
        for (size_t i = 0; i < n; ++i) {
          adamw ? scalars[i].adamw(grads[step * n + i], s) : scalars[i].sgd(grads[step * n + i], s);
          reference.ref[i] = expected[step * n + i];
          reference.mag[i] = scalars[i].mag;
        }
        CAPTURE(step);
        const int done = static_cast<int>(step) + 1;
        CHECK_CLOSE(run.params, reference, 2 + (adamw ? adamw_roundings(done) : sgd_roundings(done)));
      }
    });
  };
  check("sgd_m0.9_wd1e-4", {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-4}, false);
  check("sgd_nesterov", {.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}, false);
  check("adamw", {.lr = 0.01, .weight_decay = 0.05}, true);
}

TEST_CASE("every segment has its own settings, and what lies in none stays", "[optimizer]") {
  const size_t n = 40000;  // three chunks of the kernel
  const auto start = seeded_uniform<float>(n, 1);
  const auto grads = seeded_uniform<float>(n, 2);
  const std::vector<kernels::ParamSegment> segments = {{0, 5, 1, 0.1f},       {5, 6, 0.5f, 0},
                                                       {10, 16384, 2, 0.01f}, {16390, 16411, 4, 0},
                                                       {16413, 33001, 1, 0},  {39999, 40000, 3, 0.5f}};
  const bool adamw = GENERATE(false, true);
  CAPTURE(adamw);
  for_each_way_to_run([&](Queue& queue) {
    Run run(start, segments, 0.05);
    run.grad_scale = 0.25f;
    if (adamw)
      kernels::adamw_step(queue, run.step(grads), run.m.data(), run.v.data(), &run.steps_done, {});
    else
      kernels::sgd_step(queue, run.step(grads), nullptr, 0, false);
    std::vector<Settings> of(n, {.lr = -1});
    for (const auto& s : segments)
      for (int64_t i = s.begin; i < s.end; ++i)
        of[i] = {.lr = double{float(run.lr)} * s.lr_scale, .weight_decay = s.weight_decay};
    Reference expected(n);
    for (size_t i = 0; i < n; ++i) {
      Scalar scalar(start[i]);
      if (of[i].lr >= 0) adamw ? scalar.adamw(grads[i] * 0.25, of[i]) : scalar.sgd(grads[i] * 0.25, of[i]);
      expected.ref[i] = scalar.p;
      expected.mag[i] = of[i].lr >= 0 ? scalar.mag : 0;
    }
    CHECK_CLOSE(run.params, expected, adamw ? adamw_roundings(1) : sgd_roundings(1));
    CHECK(run.steps_done == (adamw ? 1 : 0));
  });
}

namespace {

// A parameter's working form as sgd_step or adamw_step leaves it, computed from the parameters that it leaves.
template <class T>
void check_working_form(Queue& queue, bool adamw, bool aligned) {
  struct Part {
    int64_t begin, end, per_channel;
    bool scaled;
  };
  // Across the kernel's chunks; channels of fewer elements than a pack has, of no multiple of them, of many.
  const std::vector<Part> parts = {{0, 21, 3, true},         {32, 48, 1, true},          {48, 16394, 147, true},
                                   {16400, 16433, 1, false}, {16448, 32848, 1640, true}, {32848, 40000, 64, false}};
  const size_t n = 40000, shift = aligned ? 0 : 1;
  const auto start = seeded_uniform<float>(n + 1, 1), grads = seeded_uniform<float>(n + 1, 2);
  const auto scales = seeded_uniform<float>(n, 3);
  Guarded<T> working(std::vector<T>(n, static_cast<T>(7)));
  Run run(start, {}, 0.05);
  for (const Part& part : parts)
    run.segments.push_back({part.begin, part.end, 1, 0.1f, working.data() + part.begin,
                            part.scaled ? scales.data() + part.begin : nullptr, part.per_channel});
  kernels::OptimizerStep step = run.step(grads);
  step.n = static_cast<int64_t>(n);
  step.params += shift;
  step.working_type = dtype_of<T>();
  if (adamw)
    kernels::adamw_step(queue, step, run.m.data(), run.v.data(), &run.steps_done, {});
  else
    kernels::sgd_step(queue, step, run.m.data(), 0.9f, false);
  std::vector<T> expected(n, static_cast<T>(7));
  for (const Part& part : parts)
    for (int64_t i = part.begin; i < part.end; ++i) {
      const float scale = part.scaled ? scales[part.begin + (i - part.begin) / part.per_channel] : 1.f;
      expected[i] = static_cast<T>(step.params[i] * scale);
    }
  const std::vector<T> written = working.values();
  int64_t differing = 0;
  for (size_t i = 0; i < n; ++i) differing += float(written[i]) != float(expected[i]);
  CHECK(differing == 0);
  CHECK(run.params != start);
}

}  // namespace

TEST_CASE("a step writes the working forms of what it changes, and nothing beside them", "[optimizer]") {
  const bool adamw = GENERATE(false, true), aligned = GENERATE(false, true);
  CAPTURE(adamw, aligned);
  for_each_way_to_run([&](Queue& queue) {
    check_working_form<float>(queue, adamw, aligned);
    check_working_form<bfloat16>(queue, adamw, aligned);
  });
}

TEST_CASE("a step that is to be skipped changes nothing", "[optimizer][fault]") {
  const std::vector<float> start(100, 1.f), grads(100, std::numeric_limits<float>::quiet_NaN());
  for_each_way_to_run([&](Queue& queue) {
    std::vector<float> working(100, 7.f);
    Run run(start, {{0, 100, 1, 0.1f, working.data()}}, 0.1);
    run.skip = 1;
    kernels::sgd_step(queue, run.step(grads), run.m.data(), 0.9f, false);
    kernels::adamw_step(queue, run.step(grads), run.m.data(), run.v.data(), &run.steps_done, {});
    CHECK(run.params == start);
    CHECK(working == std::vector<float>(100, 7.f));
    CHECK(run.m == std::vector<float>(100));
    CHECK(run.v == std::vector<float>(100));
    CHECK(run.steps_done == 0);
  });
}

TEST_CASE("clipping scales to the largest norm, and says where gradients are not finite", "[optimizer]") {
  TestQueue queue;
  const auto clip = [&](Single<double> sum_of_squares, float max_norm) {
    Single<float> scale = -1;
    Single<int32_t> skip = -1;
    kernels::guard_step(queue,
                        {.sum_of_squares = &sum_of_squares, .max_norm = max_norm, .scale = &scale, .skip = &skip});
    return std::pair(float(scale), int32_t(skip));
  };
  CHECK(clip(25, 10) == std::pair(1.f, 0));
  CHECK(clip(25, 2) == std::pair(static_cast<float>(2 / (5 + 1e-6)), 0));
  CHECK(clip(25, 0) == std::pair(1.f, 0));
  CHECK(clip(0, 2) == std::pair(1.f, 0));
  CHECK(clip(std::numeric_limits<double>::infinity(), 2).second == 1);
  CHECK(clip(std::numeric_limits<double>::quiet_NaN(), 0).second == 1);
}

TEST_CASE("steps that are not finite are skipped, and all others once there were too many", "[optimizer][fault]") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  TestQueue queue;
  std::vector<float> losses = {1, 2};
  Single<float> scale;
  Single<double> sum_of_squares = 4;
  Single<int32_t> skip = -1, non_finite;
  const auto skips = [&](float classification, float box) {
    losses[0] = classification, losses[1] = box;
    kernels::guard_step(queue, {.sum_of_squares = &sum_of_squares,
                                .losses = {&losses[0], &losses[1]},
                                .non_finite_limit = 2,
                                .scale = &scale,
                                .skip = &skip,
                                .non_finite = &non_finite});
    return skip == 1;
  };
  CHECK_FALSE(skips(1, 2));
  CHECK(skips(nan, 2));
  CHECK_FALSE(skips(1, 2));
  CHECK(skips(1, -inf));
  CHECK_FALSE(skips(1, 2));
  CHECK(non_finite == 2);
  CHECK(skips(inf, 2));
  CHECK(skips(1, 2));  // the third ended it
  CHECK(non_finite == 3);
}

TEST_CASE("the moving average agrees with its definition", "[optimizer]") {
  const size_t n = 1003;
  const auto params = seeded_uniform<float>(n, 1), before = seeded_uniform<float>(n, 2);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> p(params), average(before);
    const Single<int32_t> skip = 0, skipped = 1;
    kernels::ema(queue, n, 0.9f, p.data(), &skipped, average.data());
    CHECK(average.values() == before);
    kernels::ema(queue, n, 0.9f, p.data(), &skip, average.data());
    Reference expected(n);
    for (size_t i = 0; i < n; ++i) {
      expected.add(i, before[i]);
      expected.add(i, (1 - double{0.9f}) * (double{params[i]} - before[i]));
    }
    CHECK_CLOSE(average.values(), expected, 3);  // difference, product, sum; 1 − decay is exact
  });
}
