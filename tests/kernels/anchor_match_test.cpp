// Anchor matching: the same integers as torchvision's matcher with its whole IoU matrix, and its golden values.
#include "kernels/anchor_match.h"

#include <random>

#include "tests/support/anchor_match_oracle.h"
#include "tests/support/golden.h"
#include "tests/support/seeded.h"
#include "tests/support/threads.h"

using namespace fovea;
using namespace fovea::test;
using oracle::Matching;
using oracle::TruthBox;

namespace {

using Anchors = std::vector<std::array<float, 4>>;
using Images = std::vector<std::vector<TruthBox>>;  // the boxes of each image

struct Settings {
  float high = 0.5f, low = 0.4f;
  bool allow_low_quality = true;
};

std::vector<Matching> run(Queue& queue, const Anchors& anchors, const Images& images, const Settings& settings,
                          bool with_crowd = true) {
  size_t max_boxes = 3;  // more than there are: the rest is padding
  for (const auto& boxes : images) max_boxes = std::max(max_boxes, boxes.size());
  Guarded<float> flat(anchors.size() * 4), truth(images.size() * max_boxes * 4);  // padding: NaN
  Guarded<int32_t> labels(images.size() * max_boxes), counts(images.size());
  Guarded<uint8_t> crowd(images.size() * max_boxes);
  for (size_t a = 0; a < anchors.size(); ++a) std::copy_n(anchors[a].data(), 4, flat.data() + a * 4);
  for (size_t i = 0; i < images.size(); ++i) {
    counts.data()[i] = static_cast<int32_t>(images[i].size());
    for (size_t g = 0; g < images[i].size(); ++g) {
      const size_t slot = i * max_boxes + g;
      std::copy_n(images[i][g].box.data(), 4, truth.data() + slot * 4);
      labels.data()[slot] = images[i][g].label;
      crowd.data()[slot] = images[i][g].crowd ? 7 : 0;
    }
  }
  Guarded<int32_t> matches(images.size() * anchors.size()), targets(matches.size()), positives(images.size());
  kernels::AnchorMatchArgs args;
  args.anchors = flat.data();
  args.anchor_count = static_cast<int>(anchors.size());
  args.images = static_cast<int>(images.size());
  args.max_boxes = static_cast<int>(max_boxes);
  args.truth = truth.data();
  args.labels = labels.data();
  args.crowd = with_crowd ? crowd.data() : nullptr;
  args.counts = counts.data();
  args.high = settings.high;
  args.low = settings.low;
  args.allow_low_quality = settings.allow_low_quality;
  args.matches = matches.data();
  args.targets = targets.data();
  args.positives = positives.data();
  Guarded<int32_t> workspace(kernels::anchor_match_workspace(args) / sizeof(int32_t));
  args.workspace = workspace.data();
  kernels::anchor_match(queue, args);
  std::vector<Matching> result(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const auto slice = [&](Guarded<int32_t>& all) {
      return std::vector<int32_t>(all.data() + i * anchors.size(), all.data() + (i + 1) * anchors.size());
    };
    result[i] = {slice(matches), slice(targets), positives.data()[i]};
  }
  return result;
}

void check(Queue& queue, const Anchors& anchors, const Images& images, const Settings& settings) {
  const auto result = run(queue, anchors, images, settings);
  for (size_t i = 0; i < images.size(); ++i) {
    const auto expected =
        oracle::match_anchors(anchors, images[i], settings.high, settings.low, settings.allow_low_quality);
    CHECK(result[i].matches == expected.matches);
    CHECK(result[i].targets == expected.targets);
    CHECK(result[i].positives == expected.positives);
  }
}

// Anchors of a grid as a pyramid level has them; coordinates of quarter pixels make ties frequent.
Anchors grid_anchors(int height, int width) {
  Anchors anchors;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const float half : {8.f, 12.25f, 20.f})
        anchors.push_back({x * 8 - half, y * 8 - half, x * 8 + half, y * 8 + half});
  return anchors;
}

Images random_images(int count, int boxes, float width, float height) {
  std::mt19937 random(static_cast<unsigned>(boxes * 7 + count));
  std::uniform_real_distribution<float> uniform(0.f, 1.f);
  const auto quarters = [](float x) { return std::round(x * 4) / 4; };
  Images images(count);
  for (int i = 0; i < count; ++i)
    for (int g = 0; g < boxes * (i + 1) / count; ++g) {
      const float x = quarters(uniform(random) * width), y = quarters(uniform(random) * height);
      const float w = g % 6 == 5 ? 0.75f : quarters(2 + uniform(random) * 40), h = quarters(2 + uniform(random) * 40);
      images[i].push_back({{x, y, x + w, y + h}, static_cast<int>(random() % 80), g % 5 == 4});
      if (g % 7 == 6) images[i].back().box = images[i][0].box;  // a tie of two boxes
    }
  return images;
}

}  // namespace

TEST_CASE("anchors are matched as torchvision matches them", "[anchor_match]") {
  const auto settings = GENERATE(Settings{}, Settings{0.5f, 0.4f, false}, Settings{0.7f, 0.3f, true});
  const int boxes = GENERATE(0, 1, 14);
  const auto anchors = GENERATE(grid_anchors(1, 1), grid_anchors(7, 13));  // 273 anchors: a chunk and a part
  CAPTURE(settings.high, settings.allow_low_quality, boxes, anchors.size());
  const auto images = random_images(2, boxes, 100, 50);
  for_each_way_to_run([&](Queue& queue) { check(queue, anchors, images, settings); });
}

TEST_CASE("ties between boxes go to the first, ties between anchors to all", "[anchor_match]") {
  const Anchors anchors = {{0, 0, 10, 10}, {20, 0, 30, 10}, {100, 100, 110, 110}};
  const Images images = {{{{0, 0, 10, 10}, 4}, {{0, 0, 10, 10}, 5}, {{8, 0, 22, 10}, 6}}};
  TestQueue queue;
  const auto result = run(queue, anchors, images, {}).front();
  CHECK(result.matches == std::vector<int32_t>{0, 2, kBackground});  // box 2 overlaps anchors 0 and 1 alike
  CHECK(result.targets == std::vector<int32_t>{4, 6, kBackground});
}

TEST_CASE("crowd boxes make background anchors ignored and take no anchor from a box", "[anchor_match]") {
  const Anchors anchors = {{0, 0, 10, 10}, {20, 0, 30, 10}, {36, 0, 46, 10}};
  const Images images = {{{{0, 0, 40, 40}, 1, true}, {{0, 0, 10, 10}, 2}}};
  TestQueue queue;
  // The last anchor is covered by 0.4 = low.
  CHECK(run(queue, anchors, images, {}).front().matches == std::vector<int32_t>{1, kIgnored, kIgnored});
  CHECK(run(queue, anchors, images, {}, false).front().matches[2] == kBackground);
}

TEST_CASE("boxes thinner than a pixel and boxes that no anchor touches match nothing", "[anchor_match]") {
  const Anchors anchors = {{0, 0, 10, 10}, {0, 0, 1, 10}, {80, 0, 90, 10}};
  const std::vector<TruthBox> boxes = {
      {{0, 0, 0.75f, 10}, 1}, {{500, 500, 600, 600}, 2}, {{3, 3, 3, 3}, 2}, {{40, 2, 50, 8}, 3}};
  TestQueue queue;
  const auto result = run(queue, anchors, {boxes}, {}).front();
  CHECK(result.matches == std::vector<int32_t>(3, kBackground));
  CHECK(result.positives == 0);
}

TEST_CASE("anchor matching golden values", "[anchor_match]") {
  const auto file = golden("matcher");
  const auto flat_anchors = golden("anchors").read<float>("anchors"), flat_boxes = file.read<float>("boxes");
  Anchors anchors;
  for (size_t i = 0; i < flat_anchors.size(); i += 4)
    anchors.push_back({flat_anchors[i], flat_anchors[i + 1], flat_anchors[i + 2], flat_anchors[i + 3]});
  Images images(1);
  for (size_t i = 0; i < flat_boxes.size(); i += 4)
    images[0].push_back({{flat_boxes[i], flat_boxes[i + 1], flat_boxes[i + 2], flat_boxes[i + 3]}, 0});
  TestQueue queue;
  CHECK(run(queue, anchors, images, {0.5f, 0.4f, false}).front().matches == file.read<int32_t>("matches"));
  for (const ExecutionMode way : {ExecutionMode::Vectorized, ExecutionMode::FibersShuffled}) {
    queue.set_execution_mode(way);
    CHECK(run(queue, anchors, images, {}).front().matches == file.read<int32_t>("matches_low_quality"));
  }
}

TEST_CASE("anchor matching takes 10,000 boxes an image", "[anchor_match]") {
  TestQueue queue;
  check(queue, grid_anchors(12, 15), random_images(1, 10000, 110, 90), {});
}

TEST_CASE("anchor matching determinism: the same matches for any number of threads", "[anchor_match]") {
  const auto anchors = grid_anchors(40, 40);
  const auto images = random_images(2, 30, 320, 320);
  for (const int count : {1, 2, 3, 7}) {
    const Scoped threads(set_threads, count);
    TestQueue queue;
    check(queue, anchors, images, {});
  }
}

TEST_CASE("loss scale an image and a batch", "[anchor_match]") {
  const std::vector<int32_t> positives = {0, 5, 3};
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> scale(3);
    kernels::loss_scale(queue, /*per_image=*/true, 3, positives.data(), scale.data());
    CHECK(scale.values() == std::vector<float>{1.f / 3, 1.f / 15, 1.f / 9});
    kernels::loss_scale(queue, /*per_image=*/false, 3, positives.data(), scale.data());
    CHECK(scale.values() == std::vector<float>{0.125f, 0.125f, 0.125f});
  });
}
