// Box losses and gradients against their papers in float64 and torchvision's golden values.
#include "kernels/box_loss.h"

#include <random>

#include "tests/support/boxes_oracle.h"
#include "tests/support/golden.h"
#include "tests/support/head_tensor.h"
#include "tests/support/threads.h"
#include "tests/support/tracked.h"

using namespace fovea;
using namespace fovea::test;
using kernels::BoxLoss;

namespace {

const std::vector<std::pair<int, int>> kFiveLevels = {{9, 11}, {5, 6}, {3, 3}, {2, 2}, {1, 1}};
constexpr int kMaxBoxes = 5;
constexpr double kStep = 1e-6;  // of the oracle's central differences: small, so that no kink lies within it
// What float64 errs in a difference of two losses, in units of eps(float).
constexpr double kStepError = 4 * 0x1p-53 / kStep * 0x1p24;

kernels::BoxOf<Tracked> tracked_box(const oracle::Four& b) { return {b[0], b[1], b[2], b[3]}; }

oracle::Four four(const std::vector<float>& values, size_t i) {
  return {values[i * 4], values[i * 4 + 1], values[i * 4 + 2], values[i * 4 + 3]};
}

double oracle_loss(const oracle::Four& anchor, const oracle::Four& deltas, const oracle::Four& truth, BoxLoss kind,
                   float beta, const kernels::BoxCoder& coder, double alpha) {
  if (kind == BoxLoss::L1 || kind == BoxLoss::SmoothL1)
    return oracle::absolute_loss(deltas, oracle::encode(coder, anchor, truth), kind == BoxLoss::SmoothL1, beta);
  return oracle::iou_loss(kind, oracle::decode(coder, anchor, deltas), truth, alpha);
}

template <class T>
struct BoxProblem {
  HeadShape shape;
  BoxLoss kind;
  float beta = 1.f / 9;
  kernels::BoxCoder coder;
  std::vector<T> deltas;
  std::vector<float> anchors, truth, scale;
  std::vector<int32_t> matches;
  Reference gradient, bias, loss{1};

  BoxProblem(const HeadShape& s, BoxLoss k, const kernels::BoxCoder& c) : shape(s), kind(k), coder(c) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(0.f, 1.f);
    const auto box_near = [&](float x, float y, std::vector<float>& boxes) {
      x += uniform(random) * 20, y += uniform(random) * 20;
      boxes.insert(boxes.end(), {x, y, x + 16 + uniform(random) * 50, y + 16 + uniform(random) * 50});
    };
    for (int i = 0; i < shape.anchors(); ++i) box_near(100, 300, anchors);
    for (int i = 0; i < shape.images * kMaxBoxes; ++i) box_near(i % 3 == 0 ? 160 : 105, 305, truth);
    for (int i = 0; i < shape.images; ++i) scale.push_back(0.21f / (i + 1));
    matches.resize(size_t(shape.images) * shape.anchors());
    for (int32_t& m : matches)
      m = static_cast<int>(random() % (kMaxBoxes + 6)) - 6 < 0 ? -1 - random() % 2 : random() % kMaxBoxes;
    for (size_t i = 0; i < shape.elements(); ++i) {
      const float weight = i % 4 == 0 ? coder.wx : i % 4 == 1 ? coder.wy : i % 4 == 2 ? coder.ww : coder.wh;
      // Now and then beyond the clamp of the decoder, where the derivative is 0.
      const float delta = i % 97 == 2 ? 5.f : uniform(random) - 0.5f;
      deltas.push_back(T(delta * weight));
    }
    expect();
  }
  void expect() {
    const size_t columns = size_t(shape.anchors_per_location) * 4, anchor_count = shape.anchors();
    gradient = Reference(deltas.size());
    bias = Reference(columns);
    for (size_t i = 0; i < matches.size(); ++i) {
      if (matches[i] < 0) continue;
      const size_t image = i / anchor_count;
      const auto anchor = four(anchors, i % anchor_count), box = four(truth, image * kMaxBoxes + matches[i]);
      const oracle::Four d = {deltas[i * 4], deltas[i * 4 + 1], deltas[i * 4 + 2], deltas[i * 4 + 3]};
      const double alpha = oracle::ciou_parts(oracle::decode(coder, anchor, d), box).alpha;
      const auto loss_at = [&](const oracle::Four& x) { return oracle_loss(anchor, x, box, kind, beta, coder, alpha); };
      const auto slopes = oracle::gradient_of(loss_at, d, kStep);
      const auto error = kernels::box_loss_term<Tracked>(kind, beta, coder, tracked_box(anchor),
                                                         {d[0], d[1], d[2], d[3]}, tracked_box(box));
      const double factor = scale[image];
      loss.ref[0] += factor * loss_at(d);
      // A chunk's positives are added one after the other: at most 64 locations' anchors.
      loss.mag[0] += factor * (error.value.error + (64. * shape.anchors_per_location + 16) * loss_at(d));
      for (int k = 0; k < 4; ++k) {
        gradient.ref[i * 4 + k] = factor * slopes[k];
        gradient.mag[i * 4 + k] = factor * (error.derivative[k].error + std::abs(slopes[k]) + kStepError * loss_at(d));
        const size_t column = i % anchor_count % shape.anchors_per_location * 4 + k;
        bias.ref[column] += gradient.ref[i * 4 + k];
        // The sum is of gradients as stored in T, 64 at a time.
        bias.mag[column] +=
            gradient.mag[i * 4 + k] + std::abs(gradient.ref[i * 4 + k]) * (66 + epsilon_of<T>() / epsilon_of<float>());
      }
    }
  }
};

template <class T>
struct BoxResult {
  std::vector<T> gradient;
  std::vector<float> loss, bias;
};

template <class T>
BoxResult<T> run(Queue& queue, const BoxProblem<T>& problem, bool in_place, bool accumulate = false) {
  HeadTensor<T> deltas(problem.shape, problem.deltas), gradient(problem.shape);
  Guarded<float> loss(1), bias(std::vector<float>(problem.bias.size(), accumulate ? 2.f : NAN));
  kernels::BoxLossArgs<T> args;
  args.deltas = deltas.template view<const T>();
  args.gradient = in_place ? deltas.view() : gradient.view();
  args.anchors = problem.anchors.data();
  args.matches = problem.matches.data();
  args.truth = problem.truth.data();
  args.max_boxes = kMaxBoxes;
  args.scale = problem.scale.data();
  args.kind = problem.kind;
  args.beta = problem.beta;
  args.coder = problem.coder;
  args.loss = loss.data();
  args.bias_gradient = bias.data();
  args.accumulate_bias_gradient = accumulate;
  Guarded<char> workspace(kernels::box_loss_workspace(args));
  args.workspace = workspace.data();
  kernels::box_loss(queue, args);
  HeadTensor<T>& written = in_place ? deltas : gradient;
  CHECK(written.padding_is_zero());
  return {written.values(), loss.values(), bias.values()};
}

// A golden row as the inputs of a Dual, with the loss of its four numbers.
template <class S, class Loss>
kernels::Dual<S> at_row(const std::vector<double>& inputs, size_t row, const Loss& loss) {
  using Number = kernels::Dual<S>;
  std::array<Number, 4> x = {0., 0., 0., 0.};
  for (int k = 0; k < 4; ++k) x[k] = Number::input(S(inputs[row * 4 + k]), k);
  return loss(x);
}

}  // namespace

TEMPLATE_TEST_CASE("box losses and gradients agree with their papers", "[box_loss]", float, bfloat16) {
  const auto kind = GENERATE(BoxLoss::L1, BoxLoss::SmoothL1, BoxLoss::GIoU, BoxLoss::DIoU, BoxLoss::CIoU);
  const auto shape = GENERATE(HeadShape{{{1, 1}}, 1, 1, 4, 0}, HeadShape{kFiveLevels, 2, 9, 4, 4});
  const bool in_place = GENERATE(false, true);
  const int kind_of_loss = static_cast<int>(kind);
  CAPTURE(kind_of_loss, in_place, shape.images);
  const BoxProblem<TestType> problem(shape, kind, in_place ? kernels::BoxCoder{10, 10, 5, 5} : kernels::BoxCoder{});
  for_each_way_to_run([&](Queue& queue) {
    const auto result = run(queue, problem, in_place);
    CHECK_CLOSE(result.gradient, problem.gradient, kTrackedRoundings);
    CHECK_CLOSE(result.loss, problem.loss, kTrackedRoundings);
    CHECK_CLOSE(result.bias, problem.bias, kTrackedRoundings);
  });
}

TEST_CASE("box loss of no positives and of no images is 0", "[box_loss]") {
  TestQueue queue;
  BoxProblem<float> problem({kFiveLevels, 1, 3, 4, 1}, BoxLoss::GIoU, {});
  std::fill(problem.matches.begin(), problem.matches.end(), kIgnored);
  const auto result = run(queue, problem, true);
  CHECK(result.loss[0] == 0.f);
  CHECK(result.gradient == std::vector<float>(problem.deltas.size(), 0.f));
  CHECK(run(queue, problem, true, true).bias == std::vector<float>(12, 2.f));  // accumulated onto
  CHECK(run(queue, BoxProblem<float>({{{2, 2}}, 0, 3, 4, 0}, BoxLoss::L1, {}), false).loss[0] == 0.f);
}

TEST_CASE("box losses of a perfect prediction and of boxes apart", "[box_loss]") {
  const kernels::Box anchor{10, 20, 60, 90};
  for (const BoxLoss kind : {BoxLoss::L1, BoxLoss::SmoothL1, BoxLoss::GIoU, BoxLoss::DIoU, BoxLoss::CIoU}) {
    const auto term = kernels::box_loss_term<float>(kind, 1.f, {}, anchor, {0, 0, 0, 0}, anchor);
    CHECK(term.value == Approx(0).margin(1e-6));
    for (const float derivative : term.derivative) CHECK(derivative == Approx(0).margin(1e-6));
  }
  // Apart, the IoU says nothing; the gradient must still point to the truth.
  for (const BoxLoss kind : {BoxLoss::GIoU, BoxLoss::DIoU, BoxLoss::CIoU}) {
    const auto term = kernels::box_loss_term<float>(kind, 1.f, {}, anchor, {0, 0, 0, 0}, {200, 20, 250, 90});
    CHECK(term.value > 1.f);
    CHECK(term.derivative[0] < 0.f);
  }
}

TEST_CASE("box losses golden values", "[box_loss]") {
  const auto file = golden("box_losses");
  const auto check = [&](const std::string& name, const std::vector<double>& inputs, auto float_loss, auto tracked_loss,
                         bool elementwise) {
    CAPTURE(name);
    const auto loss = file.read<double>(name + ".loss"), gradient = file.read<double>(name + ".grad");
    std::vector<float> losses, slopes;
    Reference expected_loss, expected_slope;
    expected_slope.ref = gradient;
    for (size_t row = 0; row < inputs.size() / 4; ++row) {
      const auto term = at_row<float>(inputs, row, [&](const auto& x) { return float_loss(row, x); });
      const auto error = at_row<Tracked>(inputs, row, [&](const auto& x) { return tracked_loss(row, x); });
      losses.push_back(term.value);
      expected_loss.mag.push_back(error.value.error);
      expected_loss.ref.push_back(0);
      for (int k = 0; k < (elementwise ? 4 : 1); ++k) expected_loss.ref.back() += loss[elementwise ? row * 4 + k : row];
      for (int k = 0; k < 4; ++k) {
        slopes.push_back(term.derivative[k]);
        expected_slope.mag.push_back(error.derivative[k].error);
      }
    }
    CHECK_CLOSE(losses, expected_loss, kTrackedRoundings);
    CHECK_CLOSE(slopes, expected_slope, kTrackedRoundings);
  };

  const auto pred = file.read<double>("pred"), target = file.read<double>("target");
  const auto absolute = [&](bool smooth, float beta) {
    return [&target, smooth, beta](size_t row, const auto& x) {
      auto sum = kernels::absolute_loss(x[0], target[row * 4], smooth, beta);
      for (int k = 1; k < 4; ++k) sum = sum + kernels::absolute_loss(x[k], target[row * 4 + k], smooth, beta);
      return sum;
    };
  };
  check("l1", pred, absolute(false, 1.f), absolute(false, 1.f), true);
  check("smooth_l1_1", pred, absolute(true, 1.f), absolute(true, 1.f), true);
  check("smooth_l1_0.1111", pred, absolute(true, 1.f / 9), absolute(true, 1.f / 9), true);

  const auto boxes = file.read<double>("boxes_pred"), truth = file.read<double>("boxes_target");
  const auto overlap = [&]<class S>(BoxLoss kind, S) {
    return [&truth, kind](size_t row, const auto& x) {
      const double* t = truth.data() + row * 4;
      return kernels::iou_loss(kind, kernels::BoxOf<kernels::Dual<S>>{x[0], x[1], x[2], x[3]},
                               kernels::BoxOf<S>{S(t[0]), S(t[1]), S(t[2]), S(t[3])});
    };
  };
  check("giou", boxes, overlap(BoxLoss::GIoU, 0.f), overlap(BoxLoss::GIoU, Tracked()), false);
  check("diou", boxes, overlap(BoxLoss::DIoU, 0.f), overlap(BoxLoss::DIoU, Tracked()), false);
  check("ciou", boxes, overlap(BoxLoss::CIoU, 0.f), overlap(BoxLoss::CIoU, Tracked()), false);
}

TEST_CASE("box loss determinism: the same bits for any number of threads", "[box_loss]") {
  const BoxProblem<float> problem({{{40, 40}, {20, 20}}, 2, 9, 4, 4}, BoxLoss::CIoU, {});
  TestQueue queue;
  check_same_bits_for_any_thread_count([&] {
    const auto result = run(queue, problem, false);
    return bytes_of(result.loss, result.bias, result.gradient);
  });
}
