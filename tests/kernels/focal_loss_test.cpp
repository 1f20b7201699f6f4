// Focal loss and gradient in one pass, against the paper in float64 and torchvision's golden values.
#include "kernels/focal_loss.h"

#include <random>

#include "tests/support/focal_loss_oracle.h"
#include "tests/support/golden.h"
#include "tests/support/head_tensor.h"
#include "tests/support/threads.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// Roundings of an element: exp 2, 1 + e 1, 1/x 1, p 2, p² 2·5 + 1, log1p 3, softplus 1, their product and sum 4,
// α·scale 3, the weight's product 1: under 32.  (1 − pt)^γ by exp(γ log p) adds 7 · γ|log p|, which `log_power` scales.
// The GPU's special functions: exp errs by 4 and 1.22 |x| more (its argument's rounding), log1p by 10, 1/x by 2, so
// that p errs by 10 + 1.9 |x|, p² by 21 + 3.8 |x|, γ pt log pt + p by 27 + 3.1 |x|: with the weights under 64 · (1 +
// |x| / 8).
constexpr double kElementRoundings = 32, kHardwareRoundings = 64;
bool on_gpu() { return test_device() == DeviceKind::Cuda; }
double element_roundings() { return on_gpu() ? kHardwareRoundings : kElementRoundings; }
// What an element's roundings are multiplied by.
double spread(const oracle::FocalTerm& term) {
  return 1 + term.log_power + (on_gpu() ? std::abs(term.argument) / 8 : 0);
}
// A power of a small probability may fall under the smallest normal number, where it is flushed to 0.
constexpr double kFlushed = 0x1p-120 * 0x1p24 / kElementRoundings;

struct FocalCase {
  HeadShape shape;
  float alpha, gamma;
  kernels::FocalForm form = kernels::FocalForm::Focal;
  float beta = 0;
  bool class_weights = false;

  oracle::FocalTerm term(double logit, int target, int column) const {
    return form == kernels::FocalForm::Star ? oracle::focal_star_term(logit, target, column, alpha, gamma, beta)
                                            : oracle::focal_term(logit, target, column, alpha, gamma);
  }
  // Of class c.
  std::vector<float> weights() const {
    std::vector<float> of_class;
    for (int c = 0; class_weights && c < shape.columns; ++c) of_class.push_back(0.3f + 0.7f * static_cast<float>(c));
    return of_class;
  }
};

std::ostream& operator<<(std::ostream& out, const FocalCase& c) {
  return out << c.shape.levels.size() << " levels, " << c.shape.images << " images, " << c.shape.anchors_per_location
             << " x " << c.shape.columns << " + " << c.shape.padding << ", alpha " << c.alpha << ", gamma " << c.gamma;
}

const std::vector<std::pair<int, int>> kFiveLevels = {{9, 11}, {5, 6}, {3, 3}, {2, 2}, {1, 1}};

template <class T>
struct FocalProblem {
  FocalCase c;
  std::vector<T> logits;
  std::vector<int32_t> targets;
  std::vector<float> scale, class_weights;
  Reference gradient, bias, loss{1};

  explicit FocalProblem(const FocalCase& the_case)
      : c(the_case), class_weights(the_case.weights()), bias(bias_columns()) {
    logits = seeded_uniform<T>(c.shape.elements(), 5, -8.f, 8.f);
    const float extremes[] = {60.f, -60.f, 0.f, 100.f, -100.f, -0.f, 1e-3f};
    for (size_t i = 0; i < logits.size() / 3; ++i) logits[i * 3] = i % 5 == 0 ? extremes[i % 7] : float(logits[i * 3]);
    std::mt19937 random(9);
    targets.resize(size_t(c.shape.images) * c.shape.anchors());
    for (int32_t& t : targets) {
      const int kind = random() % 8;
      t = kind < 5 ? kBackground : kind < 6 ? kIgnored : static_cast<int>(random() % c.shape.columns);
    }
    for (int i = 0; i < c.shape.images; ++i) scale.push_back(0.37f / (i + 1));
    expect();
  }
  size_t bias_columns() const { return size_t(c.shape.anchors_per_location) * c.shape.columns; }
  void expect() {
    gradient = Reference(logits.size());
    const size_t columns = c.shape.columns, anchors = c.shape.anchors();
    for (size_t i = 0; i < logits.size(); ++i) {
      const size_t anchor = i / columns;
      const auto term = c.term(float(logits[i]), targets[anchor], static_cast<int>(i % columns));
      const double weight = class_weights.empty() || targets[anchor] < 0 ? 1 : double{class_weights[targets[anchor]]};
      const double factor = weight * scale[anchor / anchors], spread_here = spread(term);
      gradient.ref[i] = factor * term.gradient;
      gradient.mag[i] = std::abs(gradient.ref[i]) * spread_here + kFlushed;
      loss.ref[0] += factor * term.loss;
      loss.mag[0] += factor * term.loss * spread_here + kFlushed;
      const size_t column = anchor % c.shape.anchors_per_location * columns + i % columns;
      bias.ref[column] += gradient.ref[i];
      bias.mag[column] += gradient.mag[i];
    }
  }
  // A sum adds the roundings of the longest chain of fp32 additions: the columns of one location, or the locations of a
  // group (64 a chunk) as background and once more as special ones.
  double sum_roundings(int chunks_of_group = 1) const {
    return element_roundings() + std::max<double>(bias_columns(), 128. * chunks_of_group) + 16;
  }
};

template <class T>
struct FocalResult {
  std::vector<T> gradient;
  std::vector<float> loss, bias;
};

template <class T>
FocalResult<T> run(Queue& queue, const FocalProblem<T>& problem, bool in_place, float bias_before = NAN) {
  HeadTensor<T> logits(problem.c.shape, problem.logits), gradient(problem.c.shape);
  Guarded<float> loss(1), bias(std::vector<float>(problem.bias_columns(), bias_before));
  kernels::FocalLossArgs<T> args;
  args.logits = logits.template view<const T>();
  args.gradient = in_place ? logits.view() : gradient.view();
  args.targets = problem.targets.data();
  args.scale = problem.scale.data();
  args.alpha = problem.c.alpha;
  args.form = problem.c.form;
  args.gamma = problem.c.gamma;
  args.beta = problem.c.beta;
  args.class_weights = problem.class_weights.empty() ? nullptr : problem.class_weights.data();
  args.loss = loss.data();
  args.bias_gradient = bias.data();
  args.accumulate_bias_gradient = !std::isnan(bias_before);
  Guarded<char> workspace(kernels::focal_loss_workspace(args));
  args.workspace = workspace.data();
  kernels::focal_loss(queue, args);
  HeadTensor<T>& written = in_place ? logits : gradient;
  CHECK(written.padding_is_zero());
  return {written.values(), loss.values(), bias.values()};
}

}  // namespace

TEMPLATE_TEST_CASE("focal loss and gradients agree with the paper", "[focal_loss]", float, bfloat16) {
  const auto c =
      GENERATE(FocalCase{{{{1, 1}}, 1, 1, 1, 0}, 0.25f, 2.f},       //
               FocalCase{{kFiveLevels, 2, 9, 7, 1}, 0.25f, 2.f},    //
               FocalCase{{kFiveLevels, 2, 9, 7, 1}, -1.f, 0.f},     //
               FocalCase{{kFiveLevels, 1, 3, 91, 0}, 0.5f, 0.f},    // α-balanced cross entropy
               FocalCase{{kFiveLevels, 1, 3, 91, 7}, 0.25f, 0.5f},  //
               FocalCase{{{{5, 13}, {1, 3}}, 3, 1, 5, 0}, 0.75f, 5.f},
               FocalCase{{kFiveLevels, 2, 9, 7, 1}, 0.25f, 2.f, kernels::FocalForm::Star, 1.f},
               FocalCase{{kFiveLevels, 1, 3, 91, 7}, -1.f, 4.f, kernels::FocalForm::Star, 0.f},
               FocalCase{{{{5, 13}, {1, 3}}, 3, 1, 5, 3}, 0.5f, 0.1f, kernels::FocalForm::Star, -2.f},
               FocalCase{.shape = {kFiveLevels, 2, 9, 7, 1}, .alpha = 0.25f, .gamma = 2.f, .class_weights = true},
               FocalCase{.shape = {kFiveLevels, 1, 3, 91, 7}, .alpha = 0.25f, .gamma = 0.f, .class_weights = true});
  CAPTURE(c);
  const FocalProblem<TestType> problem(c);
  const bool in_place = GENERATE(false, true);
  for_each_way_to_run([&](Queue& queue) {
    const auto result = run(queue, problem, in_place);
    CHECK_CLOSE(result.gradient, problem.gradient, element_roundings());
    CHECK_CLOSE(result.loss, problem.loss, problem.sum_roundings());
    CHECK_CLOSE(result.bias, problem.bias, problem.sum_roundings());
  });
}

TEST_CASE("focal loss of so many locations that a block takes several chunks", "[focal_loss]") {
  // 4166 chunks of 64 locations and one tile of columns: groups of two chunks, some of them of two images.
  const FocalProblem<bfloat16> problem({{{{367, 363}, {11, 5}}, 2, 1, 5, 3}, 0.25f, 2.f});
  for (const ExecutionMode way : {ExecutionMode::Vectorized, ExecutionMode::FibersShuffled}) {
    if (on_gpu() && way != ExecutionMode::Vectorized) continue;  // a GPU has its own threads
    TestQueue queue;
    queue.set_execution_mode(way, 3);
    const auto result = run(queue, problem, true);
    CHECK_CLOSE(result.gradient, problem.gradient, element_roundings());
    CHECK_CLOSE(result.loss, problem.loss, problem.sum_roundings(2));
    CHECK_CLOSE(result.bias, problem.bias, problem.sum_roundings(2));
  }
}

TEST_CASE("focal loss accumulates the class-bias gradient, or needs none", "[focal_loss]") {
  const FocalProblem<float> problem({{kFiveLevels, 2, 9, 7, 1}, 0.25f, 2.f});
  TestQueue queue;
  const auto plain = run(queue, problem, false), added = run(queue, problem, false, 3.f);
  for (size_t i = 0; i < plain.bias.size(); ++i) CHECK(added.bias[i] == Approx(plain.bias[i] + 3.f).epsilon(1e-6));
  HeadTensor<float> logits(problem.c.shape, problem.logits);
  Single<float> loss;
  kernels::FocalLossArgs<float> args;
  args.logits = logits.view<const float>();
  args.gradient = logits.view();
  args.targets = problem.targets.data();
  args.scale = problem.scale.data();
  args.loss = &loss;
  std::vector<char> workspace(kernels::focal_loss_workspace(args));
  args.workspace = workspace.data();
  kernels::focal_loss(queue, args);
  CHECK(loss == plain.loss[0]);
  CHECK(logits.values() == plain.gradient);
}

TEST_CASE("focal loss of no images is 0", "[focal_loss]") {
  TestQueue queue;
  CHECK(run(queue, FocalProblem<float>({{{{2, 2}}, 0, 9, 7, 1}, 0.25f, 2.f}), false).loss[0] == 0.f);
}

TEST_CASE("the oracle's focal gradient is the derivative of its loss", "[focal_loss]") {
  for (const double gamma : {0., 0.5, 2., 5.})
    for (const int target : {kBackground, kIgnored, 0, 1})
      for (double x = -9; x < 9; x += 0.37) {
        const auto f = [&](double at) { return oracle::focal_term(at, target, 1, 0.25, gamma).loss; };
        const double h = 1e-5, difference = (f(x + h) - f(x - h)) / (2 * h);
        CHECK(oracle::focal_term(x, target, 1, 0.25, gamma).gradient == Approx(difference).epsilon(1e-6).margin(1e-10));
        if (gamma == 0) continue;
        const auto star = [&](double at) { return oracle::focal_star_term(at, target, 1, 0.25, gamma, 0.5); };
        const double of_star = (star(x + h).loss - star(x - h).loss) / (2 * h);
        CHECK(star(x).gradient == Approx(of_star).epsilon(1e-6).margin(1e-10));
      }
}

TEST_CASE("FL* needs a gamma of its own", "[focal_loss]") {
  FocalCase c{{{{2, 2}}, 1, 1, 3, 0}, 0.25f, 2.f, kernels::FocalForm::Star};
  c.gamma = 0;
  TestQueue queue;
  CHECK_THROWS_WITH(run(queue, FocalProblem<float>(c), false), Catch::Contains("gamma >= 0.1"));
}

TEST_CASE("focal loss golden values", "[focal_loss]") {
  const auto file = golden("focal_loss");
  const auto logits = file.read<double>("logits");
  const auto targets = file.read<int32_t>("targets");
  const int columns = static_cast<int>(file.at("logits").shape[1]);
  const std::tuple<const char*, float, float> settings[] = {{"a25_g2", 0.25f, 2.f},    {"a25_g05", 0.25f, 0.5f},
                                                            {"a50_g0", 0.5f, 0.f},     {"a75_g5", 0.75f, 5.f},
                                                            {"noalpha_g0", -1.f, 0.f}, {"noalpha_g1", -1.f, 1.f}};
  for (const auto& [name, alpha, gamma] : settings) {
    CAPTURE(name);
    FocalProblem<float> problem({{{{static_cast<int>(targets.size()), 1}}, 1, 1, columns, 0}, alpha, gamma});
    problem.logits.assign(logits.begin(), logits.end());
    problem.targets = targets;
    problem.scale = {1.f};
    auto gradient = as_reference(file, name + std::string(".grad"));
    const auto losses = file.read<double>(name + std::string(".loss"));
    Reference loss(1);
    for (size_t i = 0; i < logits.size(); ++i) {
      const auto term = [&, alpha = alpha, gamma = gamma](double x) {
        return oracle::focal_term(x, targets[i / columns], static_cast<int>(i % columns), alpha, gamma);
      };
      const auto here = term(logits[i]);
      // A saturated pt is 1 in torchvision's float64, where its own formula has derivative 0 · inf.
      if (std::isnan(gradient.ref[i])) gradient.ref[i] = here.gradient;
      // The logits are rounded to float here, and 1 − pt in float64 there.
      const double curvature = (term(logits[i] + 1e-5).gradient - term(logits[i] - 1e-5).gradient) / 2e-5;
      gradient.mag[i] = std::abs(here.gradient) * spread(here) + std::abs(logits[i] * curvature) + 0x1p-28;
      loss.ref[0] += losses[i];
      loss.mag[0] += losses[i] * spread(here) + std::abs(logits[i] * here.gradient) + 0x1p-28;
    }
    for_each_way_to_run([&](Queue& queue) {
      const auto result = run(queue, problem, true);
      CHECK_CLOSE(result.gradient, gradient, element_roundings());
      CHECK_CLOSE(result.loss, loss, problem.sum_roundings());
    });
  }
}

TEST_CASE("focal loss shows NaN and infinite logits", "[focal_loss]") {
  FocalProblem<float> problem({{{{2, 2}}, 1, 1, 3, 0}, 0.25f, 2.f});
  problem.targets = {kBackground, 1, kIgnored, kBackground};
  const float inf = std::numeric_limits<float>::infinity();
  TestQueue queue;
  const auto loss_with = [&](int element, float value) {
    auto changed = problem;
    changed.logits[element] = value;
    return run(queue, changed, false).loss[0];
  };
  CHECK(std::isnan(loss_with(0, NAN)));
  CHECK(loss_with(0, inf) == inf);
  CHECK(std::isfinite(loss_with(0, -inf)));
  CHECK(loss_with(4, -inf) == inf);  // the target class
  CHECK(std::isfinite(loss_with(4, inf)));
  CHECK(std::isfinite(loss_with(7, NAN)));  // ignored
}

TEST_CASE("focal loss determinism: the same bits for any number of threads", "[focal_loss]") {
  const FocalProblem<float> problem({{{{40, 40}, {20, 20}}, 2, 9, 20, 4}, 0.25f, 2.f});
  TestQueue queue;
  check_same_bits_for_any_thread_count([&] {
    const auto result = run(queue, problem, false);
    return bytes_of(result.loss, result.bias, result.gradient);
  });
}
