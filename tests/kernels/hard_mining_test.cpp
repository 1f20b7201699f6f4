// Hard example mining: the same anchors as the definition, which sorts everything.
#include "kernels/hard_mining.h"

#include <random>

#include "tests/support/focal_loss_oracle.h"
#include "tests/support/head_tensor.h"
#include "tests/support/mining_oracle.h"
#include "tests/support/threads.h"

using namespace fovea;
using namespace fovea::test;

namespace {

struct MiningCase {
  HeadShape shape;
  oracle::MiningSettings settings;
  float alpha = -1;
  double positives = 0.05;  // share of the anchors
  int clusters = 0;         // of the anchors' centers; 0: anywhere
  bool class_weights = false;
};

std::ostream& operator<<(std::ostream& out, const MiningCase& c) {
  return out << c.shape.images << " x " << c.shape.anchors() << " anchors, " << c.shape.columns
             << " classes, minibatch " << c.settings.minibatch << ", IoU " << c.settings.nms << ", ratio "
             << c.settings.ratio << ", alpha " << c.alpha << ", " << c.positives << " positive, " << c.clusters
             << " clusters";
}

constexpr double kFarLoss = 1e-5;  // more than the roundings of an fp32 loss of a hundred elements
constexpr double kFarIou = 2e-6;   // and those of an IoU

template <class T>
struct MiningProblem {
  MiningCase c;
  std::vector<T> logits;
  std::vector<int32_t> targets;
  std::vector<float> anchors, class_weights;

  // The loss of an anchor is that of one element, all others being as good as 0, and those of two anchors are the same
  // or far apart: half as many losses as anchors.
  explicit MiningProblem(const MiningCase& the_case) : c(the_case) {
    std::mt19937 random(31);
    const int count = c.shape.anchors(), columns = c.shape.columns;
    const auto share = [&] { return static_cast<double>(random() % 100000) / 100000; };
    for (int image = 0; image < c.shape.images; ++image) {
      std::vector<int> rank(count);
      for (int a = 0; a < count; ++a) rank[a] = a / 2;
      std::shuffle(rank.begin(), rank.end(), random);
      for (int a = 0; a < count; ++a) {
        const double kind = share();
        const bool has_none = image == 1;
        targets.push_back(kind < c.positives && !has_none ? static_cast<int>(random() % columns)
                          : kind > 0.95                   ? kIgnored
                                                          : kBackground);
        const float z = -4.f + 8.f * static_cast<float>(rank[a]) / static_cast<float>(count);
        const int hard = targets.back() >= 0 ? targets.back() : static_cast<int>(random() % columns);
        for (int k = 0; k < columns; ++k) logits.push_back(T(k != hard ? -60.f : targets.back() >= 0 ? -z : z));
      }
    }
    for (int a = 0; a < count; ++a) {
      const int cluster = c.clusters > 0 ? a % c.clusters : a;
      const float x = static_cast<float>(cluster * 37 % 101 * 8) + static_cast<float>(share() * 6);
      const float y = static_cast<float>(cluster * 53 % 103 * 8) + static_cast<float>(share() * 6);
      anchors.insert(anchors.end(), {x, y, x + 20.f + static_cast<float>(share() * 9), y + 24.f});
    }
    for (int k = 0; c.class_weights && k < columns; ++k) class_weights.push_back(1.f + 0.13f * static_cast<float>(k));
  }

  std::vector<int32_t> expected() const {
    std::vector<int32_t> mined;
    const size_t count = c.shape.anchors(), columns = c.shape.columns;
    std::vector<oracle::Four> boxes;
    for (size_t a = 0; a < count; ++a)
      boxes.push_back({anchors[a * 4], anchors[a * 4 + 1], anchors[a * 4 + 2], anchors[a * 4 + 3]});
    for (size_t image = 0; image < size_t(c.shape.images); ++image) {
      const auto first = targets.begin() + static_cast<int64_t>(image * count);
      const std::vector<int32_t> own(first, first + static_cast<int64_t>(count));
      std::vector<double> losses(count);
      for (size_t a = 0; a < count; ++a) {
        for (size_t k = 0; k < columns; ++k)
          losses[a] += oracle::focal_term(float(logits[(image * count + a) * columns + k]), own[a], static_cast<int>(k),
                                          c.alpha, 0)
                           .loss;
        if (own[a] >= 0 && !class_weights.empty()) losses[a] *= class_weights[own[a]];
      }
      const auto result = oracle::mine(losses, own, boxes, c.settings);
      REQUIRE(result.closest_loss > kFarLoss);
      REQUIRE(result.closest_iou > kFarIou);
      mined.insert(mined.end(), result.targets.begin(), result.targets.end());
    }
    return mined;
  }
};

template <class T>
std::vector<int32_t> run(Queue& queue, const MiningProblem<T>& p) {
  HeadTensor<T> logits(p.c.shape, p.logits);
  Guarded<int32_t> mined(p.targets.size());
  kernels::HardMiningArgs<T> args;
  args.logits = logits.template view<const T>();
  args.anchors = p.anchors.data();
  args.targets = p.targets.data();
  args.alpha = p.c.alpha;
  args.class_weights = p.class_weights.empty() ? nullptr : p.class_weights.data();
  args.minibatch = p.c.settings.minibatch;
  args.nms_threshold = static_cast<float>(p.c.settings.nms);
  args.negatives_per_positive = p.c.settings.ratio;
  args.mined = mined.data();
  Guarded<uint64_t> workspace(kernels::hard_mining_workspace(args) / sizeof(uint64_t));
  args.workspace = workspace.data();
  kernels::hard_mining(queue, args);
  return mined.values();
}

const std::vector<std::pair<int, int>> kLevels = {{12, 15}, {6, 8}, {3, 4}, {2, 2}, {1, 1}};  // 245 locations

}  // namespace

TEMPLATE_TEST_CASE("hard mining keeps the anchors that the definition keeps", "[hard_mining]", float, bfloat16) {
  using Settings = oracle::MiningSettings;
  const bool bf16 = std::is_same_v<TestType, bfloat16>;  // whose logits are few: fewer anchors, or they are all equal
  const HeadShape shape = bf16 ? HeadShape{{{5, 4}, {2, 1}}, 3, 1, 5, 3} : HeadShape{kLevels, 3, 3, 7, 1};
  const auto c = GENERATE_COPY(MiningCase{shape, Settings{16, 0.7, 0}},                    //
                               MiningCase{shape, Settings{1, 0.5, 0}},                     //
                               MiningCase{shape, Settings{128, 0.5, 0}, -1.f, 0.3},        //
                               MiningCase{shape, Settings{4096, 0.7, 0}, -1.f, 0.05, 40},  // more than there are
                               MiningCase{shape, Settings{64, 1, 0}},                      // without suppression
                               MiningCase{shape, Settings{64, 0.5, 3}},                    //
                               MiningCase{shape, Settings{64, 0.5, 3}, -1.f, 0.6},         // positives fill their part
                               MiningCase{shape, Settings{512, 0.5, 3}, -1.f, 0.01},  // negatives that are given back
                               MiningCase{shape, Settings{0, 0.5, 3}},                // as SSD
                               MiningCase{shape, Settings{0, 0.5, 3}, -1.f, 0.6},     //
                               MiningCase{shape, Settings{0, 0.5, 1}, -1.f, 0});
  CAPTURE(c);
  const MiningProblem<TestType> problem(c);
  const auto expected = problem.expected();
  for_each_way_to_run([&](Queue& queue) { CHECK(run(queue, problem) == expected); });
}

TEST_CASE("hard mining ranks by the weighted loss", "[hard_mining]") {
  const MiningProblem<float> problem({.shape = {{{5, 4}, {2, 1}}, 2, 3, 5, 0},
                                      .settings = {12, 0.7, 0},
                                      .alpha = 0.25f,
                                      .positives = 0.4,
                                      .class_weights = true});
  auto unweighted = problem;
  unweighted.class_weights.clear();
  unweighted.c.alpha = -1;
  const auto expected = problem.expected();
  REQUIRE(expected != unweighted.expected());
  for_each_way_to_run([&](Queue& queue) { CHECK(run(queue, problem) == expected); });
}

TEST_CASE("hard mining goes down the list until the minibatch is full, round after round", "[hard_mining]") {
  // Thirty places of so many anchors that most are suppressed: nothing fills the minibatch, and all are looked at.
  const MiningProblem<float> problem(
      {.shape = {{{40, 40}, {20, 20}}, 2, 2, 3, 2}, .settings = {100, 0.3, 0}, .clusters = 30});
  const auto expected = problem.expected();
  const auto kept = std::count_if(expected.begin(), expected.end(), [](int32_t t) { return t != kIgnored; });
  REQUIRE(kept < 200);
  REQUIRE(kept > 40);
  for (const ExecutionMode way : {ExecutionMode::Vectorized, ExecutionMode::FibersShuffled}) {
    if (test_device() == DeviceKind::Cuda && way != ExecutionMode::Vectorized) continue;  // a GPU has its own threads
    TestQueue queue;
    queue.set_execution_mode(way, 3);
    CHECK(run(queue, problem) == expected);
  }
}

TEST_CASE("hard mining keeps an anchor whose loss is NaN, so that the step is seen to fail", "[hard_mining]") {
  MiningProblem<float> problem({.shape = {{{5, 4}}, 1, 1, 3, 0}, .settings = {2, 0.7, 0}, .positives = 0});
  const auto background = std::find(problem.targets.begin(), problem.targets.end(), kBackground);
  const auto anchor = static_cast<size_t>(background - problem.targets.begin());
  problem.logits[anchor * 3] = NAN;
  TestQueue queue;
  CHECK(run(queue, problem)[anchor] == kBackground);
}

TEST_CASE("hard mining of no images, and of ignored anchors alone", "[hard_mining]") {
  TestQueue queue;
  CHECK(run(queue, MiningProblem<float>({.shape = {{{2, 2}}, 0, 1, 3, 0}, .settings = {}})).empty());
  for (const int minibatch : {0, 8}) {
    MiningProblem<float> problem({.shape = {{{2, 2}}, 1, 1, 3, 0}, .settings = {minibatch, 0.7, 3}});
    problem.targets.assign(4, kIgnored);
    CHECK(run(queue, problem) == problem.targets);
  }
}

TEST_CASE("hard mining determinism: the same anchors for any number of threads", "[hard_mining]") {
  const MiningProblem<float> problem({.shape = {kLevels, 3, 3, 7, 1}, .settings = {64, 0.7, 3}});
  TestQueue queue;
  check_same_bits_for_any_thread_count([&] { return bytes_of(run(queue, problem)); });
}
