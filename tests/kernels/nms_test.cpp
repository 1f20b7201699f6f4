// Detection and non-maximum suppression: the same boxes in the same order as the definition and torchvision.
#include "kernels/nms.h"

#include <random>
#include <set>

#include "tests/support/detect_oracle.h"
#include "tests/support/golden.h"
#include "tests/support/head_tensor.h"
#include "tests/support/threads.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// Rounding of a decoded coordinate (a dozen operations on values up to the image's size), in units of that size.
constexpr double kBoxRoundings = 16;

struct DetectProblem {
  HeadShape shape;
  oracle::DetectSettings settings;
  std::vector<float> logits, deltas, anchors, sizes, scale;

  HeadShape delta_shape() const {
    HeadShape s = shape;
    s.columns = 4;
    s.padding = 4;
    return s;
  }
};

// `step`: logits are multiples of it, so that equal scores are frequent.
DetectProblem random_problem(const HeadShape& shape, const oracle::DetectSettings& settings, float step) {
  DetectProblem p{shape, settings, seeded_uniform<float>(shape.elements(), 21, -4.f, 3.f), {}, {}, {}, {}};
  for (float& x : p.logits) x = std::round(x / step) * step;  // −0 among them
  p.deltas = seeded_uniform<float>(size_t(shape.images) * shape.anchors() * 4, 22, -0.3f, 0.3f);
  const auto place = seeded_uniform<float>(size_t(shape.anchors()) * 2, 23, -10.f, 140.f);
  for (int a = 0; a < shape.anchors(); ++a)
    p.anchors.insert(p.anchors.end(), {place[a * 2], place[a * 2 + 1], place[a * 2] + 40, place[a * 2 + 1] + 30});
  for (int i = 0; i < shape.images; ++i) {
    p.sizes.insert(p.sizes.end(), {100.f + i, 150.f});
    p.scale.insert(p.scale.end(), {2.f, 0.5f});
  }
  return p;
}

struct Detections {
  std::vector<float> boxes, scores;
  std::vector<int32_t> labels, counts;
};

template <class T>
Detections run(Queue& queue, const DetectProblem& p, bool with_scale = true) {
  HeadTensor<T> logits(p.shape, std::vector<T>(p.logits.begin(), p.logits.end()));
  HeadTensor<T> deltas(p.delta_shape(), std::vector<T>(p.deltas.begin(), p.deltas.end()));
  const size_t slots = size_t(p.shape.images) * p.settings.detections;
  Guarded<float> boxes(slots * 4), scores(slots);
  Guarded<int32_t> labels(slots), counts(p.shape.images);
  kernels::DetectArgs<T> args;
  args.logits = logits.template view<const T>();
  args.deltas = deltas.template view<const T>();
  args.anchors = p.anchors.data();
  args.image_sizes = p.sizes.data();
  args.image_scale = with_scale ? p.scale.data() : nullptr;
  args.score_threshold = static_cast<float>(p.settings.score_threshold);
  args.candidates_per_level = p.settings.candidates_per_level;
  args.nms_threshold = static_cast<float>(p.settings.nms_threshold);
  args.detections_per_image = p.settings.detections;
  args.class_agnostic = p.settings.class_agnostic;
  args.first_class = p.settings.first_class;
  args.boxes = boxes.data();
  args.scores = scores.data();
  args.labels = labels.data();
  args.counts = counts.data();
  Guarded<uint64_t> workspace(kernels::detect_workspace(args) / sizeof(uint64_t));
  args.workspace = workspace.data();
  kernels::detect(queue, args);
  return {boxes.values(), scores.values(), labels.values(), counts.values()};
}

// What the output must hold, from the oracle.
template <class T>
void check(const Detections& out, const DetectProblem& p, double& closest) {
  std::vector<int> first_anchor = {0};
  for (const auto& [height, width] : p.shape.levels)
    first_anchor.push_back(first_anchor.back() + height * width * p.shape.anchors_per_location);
  const size_t anchors = p.shape.anchors(), columns = p.shape.columns, slots = p.settings.detections;
  Reference boxes, scores;
  std::vector<int32_t> labels, counts;
  for (size_t image = 0; image < size_t(p.shape.images); ++image) {
    std::vector<std::vector<double>> logits;
    std::vector<oracle::Four> deltas, anchor_boxes;
    for (size_t a = 0; a < anchors; ++a) {
      const size_t row = image * anchors + a;
      std::vector<double> values;
      for (size_t c = 0; c < columns; ++c) values.push_back(float(T(p.logits[row * columns + c])));
      logits.push_back(values);
      const auto four = [](const std::vector<float>& v, size_t i) {
        return oracle::Four{v[i * 4], v[i * 4 + 1], v[i * 4 + 2], v[i * 4 + 3]};
      };
      deltas.push_back(four(p.deltas, row));
      for (double& d : deltas.back()) d = float(T(static_cast<float>(d)));
      anchor_boxes.push_back(four(p.anchors, a));
    }
    const auto kept = oracle::detect(logits, deltas, anchor_boxes, first_anchor, p.sizes[image * 2],
                                     p.sizes[image * 2 + 1], p.settings, closest);
    counts.push_back(static_cast<int32_t>(kept.size()));
    for (size_t slot = 0; slot < slots; ++slot) {
      const bool filled = slot < kept.size();
      for (int k = 0; k < 4; ++k) {
        const double factor = p.scale[image * 2 + (k % 2 == 0 ? 1 : 0)];
        boxes.ref.push_back(filled ? kept[slot].box[k] * factor : 0);
        boxes.mag.push_back(filled ? 200 * factor : 0);
      }
      scores.ref.push_back(filled ? 1 / (1 + std::exp(-kept[slot].logit)) : 0);
      scores.mag.push_back(scores.ref.back());
      labels.push_back(filled ? kept[slot].label : -1);
    }
  }
  CHECK(out.counts == counts);
  CHECK(out.labels == labels);
  CHECK_CLOSE(out.scores, scores, math::kSigmoidError * 0x1p24);
  CHECK_CLOSE(out.boxes, boxes, kBoxRoundings);
}

}  // namespace

TEMPLATE_TEST_CASE("detection takes the boxes that its definition takes", "[nms]", float, bfloat16) {
  // All candidates; the best few of a level, out of chunks with more of them; one; none.
  const auto settings = GENERATE(oracle::DetectSettings{0.3, 1000, 0, 0.5, false, 40},  //
                                 oracle::DetectSettings{0.05, 25, 1, 0.4, false, 100},  //
                                 oracle::DetectSettings{0.05, 25, 0, 0.3, true, 20},    //
                                 oracle::DetectSettings{0., 1, 0, 0.5, false, 3},       //
                                 oracle::DetectSettings{0.99, 25, 0, 0.5, false, 3});
  const float step = GENERATE(1e-4f, 0.5f);
  CAPTURE(settings.score_threshold, settings.candidates_per_level, settings.class_agnostic, step);
  const auto problem = random_problem({{{5, 9}, {2, 3}, {1, 1}}, 2, 3, 5, 1}, settings, step);
  double closest = 1;
  for_each_way_to_run([&](Queue& queue) {
    // Sorting 1,000 candidates a level on fibers takes long and shows no more than 25 do.
    if (queue.execution_mode() != ExecutionMode::Vectorized && settings.candidates_per_level == 1000) return;
    check<TestType>(run<TestType>(queue, problem), problem, closest);
  });
  CHECK(closest > 1e-5);  // no decision of the oracle hung on rounding
}

TEST_CASE("detection of one location, of no images and of NaN", "[nms]") {
  const oracle::DetectSettings settings{0.05, 10, 0, 0.5, false, 4};
  TestQueue queue;
  double closest = 1;
  auto one = random_problem({{{1, 1}}, 1, 1, 1, 0}, settings, 1e-3f);
  one.logits[0] = 1.f;
  check<float>(run<float>(queue, one), one, closest);
  one.logits[0] = NAN;
  CHECK(run<float>(queue, one).counts == std::vector<int32_t>{0});
  one.logits[0] = std::numeric_limits<float>::infinity();
  CHECK(run<float>(queue, one).scores[0] == 1.f);
  CHECK(run<float>(queue, random_problem({{{2, 2}}, 0, 1, 1, 0}, settings, 1.f)).counts.empty());
}

TEST_CASE("the score threshold on logits decides as the score does", "[nms]") {
  TestQueue queue;
  for (const double threshold : {0.05, 0.5, 0.3, 0.9}) {
    auto problem = random_problem({{{1, 3}}, 1, 1, 1, 0}, {threshold, 10, 0, 0.5, true, 4}, 1.f);
    const double edge = std::log(double{float(threshold)} / (1 - double{float(threshold)}));
    const float nearest = static_cast<float>(edge);
    problem.logits = {std::nextafter(nearest, -9.f), nearest, std::nextafter(nearest, 9.f)};
    int expected = 0;
    for (const float x : problem.logits) expected += x > edge;
    for (int a = 0; a < 3; ++a)  // boxes apart: none is suppressed
      for (int k = 0; k < 4; ++k) problem.anchors[a * 4 + k] = a * 40.f + (k < 2 ? 0.f : 20.f);
    CHECK(run<float>(queue, problem).counts[0] == expected);
  }
}

TEST_CASE("nms golden values", "[nms]") {
  const auto file = golden("nms");
  const auto boxes = file.read<float>("boxes"), scores = file.read<float>("scores");
  const auto classes = file.read<int32_t>("classes");
  const int n = static_cast<int>(scores.size());
  for (const std::string threshold : {"0.3", "0.5", "0.7"})
    for (const bool batched : {false, true}) {
      CAPTURE(threshold, batched);
      TestQueue queue;
      Guarded<int32_t> keep(n), count(1);
      Guarded<uint64_t> workspace(kernels::nms_workspace(n) / sizeof(uint64_t));
      kernels::nms(queue, {boxes.data(), scores.data(), batched ? classes.data() : nullptr, n, std::stof(threshold),
                           keep.data(), count.data(), workspace.data()});
      const std::vector<int32_t> kept(keep.data(), keep.data() + count.data()[0]);
      const auto expected = file.read<int32_t>((batched ? "keep_batched_" : "keep_") + threshold);
      CHECK(std::set(kept.begin(), kept.end()) == std::set(expected.begin(), expected.end()));
      for (size_t i = 1; i < kept.size(); ++i) {
        const float before = scores[kept[i - 1]], here = scores[kept[i]];
        if (!(before > here || (before == here && kept[i - 1] < kept[i]))) FAIL("out of order at " << i);
      }
    }
}

TEST_CASE("nms of no boxes, of equal boxes and of NaN boxes", "[nms]") {
  const std::vector<float> boxes = {0, 0, 10, 10, 0, 0, 10, 10, NAN, 0, 10, 10, 0, 0, 10, 10};
  const std::vector<float> scores = {0.5f, 0.5f, 0.7f, 0.4f};
  const std::vector<int32_t> classes = {1, 1, 1, 2};
  for_each_way_to_run([&](Queue& queue) {
    Guarded<int32_t> keep(4), count(1);
    Guarded<uint64_t> workspace(kernels::nms_workspace(4) / sizeof(uint64_t));
    kernels::NmsArgs args{boxes.data(), scores.data(), classes.data(), 4,
                          0.5f,         keep.data(),   count.data(),   workspace.data()};
    kernels::nms(queue, args);
    CHECK(std::vector<int32_t>(keep.data(), keep.data() + count.data()[0]) == std::vector<int32_t>{2, 0, 3});
    const std::vector<float> zeros = {-0.f, 0.f};  // equal: the first stays
    args.scores = zeros.data();
    args.n = 2;
    kernels::nms(queue, args);
    CHECK(keep.data()[0] == 0);
    args.n = 0;
    kernels::nms(queue, args);
    CHECK(count.data()[0] == 0);
  });
}

TEST_CASE("detection golden values from torchvision's head outputs", "[nms]") {
  const auto file = golden("narrow_basic.golden");
  const auto cells = golden("anchors").read<float>("cells");
  const auto images = file.at("images").shape, logits = file.at("cls_logits").shape;
  const int height = static_cast<int>(images[2]), width = static_cast<int>(images[3]);
  DetectProblem p{{{}, static_cast<int>(images[0]), 9, static_cast<int>(logits[2]), 0},
                  {0.02, 200, 0, 0.5, false, 50},
                  file.read<float>("cls_logits"),
                  file.read<float>("bbox_regression"),
                  {},
                  {},
                  {}};
  for (int level = 0; level < 5; ++level) {
    const auto& feature = file.at("P" + std::to_string(level + 3)).shape;
    const int rows = static_cast<int>(feature[2]), columns = static_cast<int>(feature[3]);
    p.shape.levels.emplace_back(rows, columns);
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < columns; ++x)
        for (int k = 0; k < 36; ++k)
          p.anchors.push_back(cells[level * 36 + k] + float(k % 2 == 0 ? x * (width / columns) : y * (height / rows)));
  }
  for (int image = 0; image < p.shape.images; ++image) p.sizes.insert(p.sizes.end(), {float(height), float(width)});
  TestQueue queue;
  const auto out = run<float>(queue, p, false);
  for (int image = 0; image < p.shape.images; ++image) {
    const std::string prefix = "image" + std::to_string(image) + ".det_";
    const auto labels = file.read<int32_t>(prefix + "labels");
    CHECK(out.counts[image] == static_cast<int32_t>(labels.size()));
    const auto slice = [&](const auto& all, size_t width_of_slot) {
      const auto begin = all.begin() + image * p.settings.detections * width_of_slot;
      return std::vector(begin, begin + labels.size() * width_of_slot);
    };
    CHECK(slice(out.labels, 1) == labels);
    auto scores = as_reference(file, prefix + "scores"), boxes = as_reference(file, prefix + "boxes");
    for (double& m : boxes.mag) m = 2. * std::max(height, width);
    CHECK_CLOSE(slice(out.scores, 1), scores, 8);  // float32 logits of a float64 network: |x| eps, and the sigmoid
    CHECK_CLOSE(slice(out.boxes, 4), boxes, kBoxRoundings);
  }
}

TEST_CASE("detection determinism: the same bits for any number of threads", "[nms]") {
  const auto problem = random_problem({{{40, 40}, {20, 20}}, 2, 9, 20, 4}, {0.05, 300, 0, 0.5, false, 100}, 0.25f);
  TestQueue queue;
  check_same_bits_for_any_thread_count([&] {
    const auto result = run<float>(queue, problem);
    return bytes_of(result.boxes, result.scores, result.labels, result.counts);
  });
}
