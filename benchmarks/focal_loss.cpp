// The losses and the matching of one image of 800 x 800, 80 classes (9.6 M logits):
//   bench_focal_loss [--runs 21] [--cpu-time] [--json FILE]
#include "kernels/focal_loss.h"

#include "benchmarks/bench.h"
#include "benchmarks/heads.h"
#include "kernels/anchor_match.h"
#include "kernels/box_loss.h"
#include "kernels/dtype.h"

using namespace fovea;
using namespace fovea::kernels;

namespace {

constexpr int kClasses = 80;

struct Truth {
  std::vector<float> boxes;  // [count, 4]
  std::vector<int32_t> labels;
  int32_t count;

  explicit Truth(int n) : count(n) {
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(0.f, 1.f);
    for (int i = 0; i < n; ++i) {
      const float w = 16 + 400 * uniform(random) * uniform(random), h = 16 + 400 * uniform(random) * uniform(random);
      const float x = uniform(random) * (800 - w), y = uniform(random) * (800 - h);
      boxes.insert(boxes.end(), {x, y, x + w, y + h});
      labels.push_back(static_cast<int32_t>(random() % kClasses));
    }
  }
};

struct Matched {
  std::vector<int32_t> matches, targets;
  int32_t positives = 0;
  float scale = 0;
};

Matched match(bench::Table& table, const std::vector<float>& anchors, const Truth& truth, const std::string& name) {
  Queue queue;
  Matched m;
  m.matches.resize(anchors.size() / 4);
  m.targets.resize(anchors.size() / 4);
  AnchorMatchArgs args;
  args.anchors = anchors.data();
  args.anchor_count = static_cast<int>(anchors.size() / 4);
  args.images = 1;
  args.max_boxes = truth.count;
  args.truth = truth.boxes.data();
  args.labels = truth.labels.data();
  args.counts = &truth.count;
  args.matches = m.matches.data();
  args.targets = m.targets.data();
  args.positives = &m.positives;
  std::vector<char> workspace(anchor_match_workspace(args));
  args.workspace = workspace.data();
  // Anchors read in both passes, matches and targets written in both.
  const double bytes = 2. * (anchors.size() * sizeof(float) + 2 * m.matches.size() * sizeof(int32_t));
  table.run(name, "fp32", bytes, [&] { anchor_match(queue, args); });
  loss_scale(queue, LossNormaliser::PerImage, 1, &m.positives, &m.scale);
  require(m.positives > 0, "the benchmark's boxes match no anchor");
  return m;
}

template <class T>
void losses(bench::Table& table, const char* dtype, const std::vector<float>& anchors, const Truth& truth,
            const Matched& matched) {
  Queue queue;
  float loss = 0;
  {
    const bench::HeadOutput<T> logits(kClasses, -4.6f, 1.f);
    bench::HeadOutput<T> gradient(kClasses, 0.f, 1.f);
    std::vector<float> bias(bench::kAnchorsPerLocation * kClasses);
    FocalLossArgs<T> args{logits.view(), gradient.view(), matched.targets.data(), &matched.scale};
    args.loss = &loss;
    args.bias_gradient = bias.data();
    std::vector<char> workspace(focal_loss_workspace(args));
    args.workspace = workspace.data();
    for (const float gamma : {2.f, 0.f, 1.5f}) {
      args.gamma = gamma;
      table.run("focal_loss gamma " + std::string(gamma == 2   ? "2"
                                                  : gamma == 0 ? "0"
                                                               : "1.5"),
                dtype, logits.bytes() + gradient.bytes(), [&] { focal_loss(queue, args); });
      require(std::isfinite(loss) && loss > 0, "the focal loss is no number");
    }
    // The gradient over the logits themselves: fewer lines to fetch. Timed last, since it uses them up.
    bench::HeadOutput<T> both(kClasses, -4.6f, 1.f);
    args.logits = both.view();
    args.gradient = both.view();
    args.gamma = 2.f;
    table.run("focal_loss in place", dtype, 2 * both.bytes(), [&] { focal_loss(queue, args); });
  }
  const bench::HeadOutput<T> deltas(4, 0.f, 0.2f);
  bench::HeadOutput<T> gradient(4, 0.f, 1.f);
  BoxLossArgs<T> args{deltas.view(),      gradient.view(), anchors.data(), matched.matches.data(),
                      truth.boxes.data(), truth.count,     &matched.scale};
  args.loss = &loss;
  std::vector<char> workspace(box_loss_workspace(args));
  args.workspace = workspace.data();
  for (const auto& [kind, name] : {std::pair{BoxLoss::L1, "box_loss L1"}, {BoxLoss::CIoU, "box_loss CIoU"}}) {
    args.kind = kind;
    table.run(name, dtype, gradient.bytes() + matched.matches.size() * sizeof(int32_t), [&] { box_loss(queue, args); });
    require(std::isfinite(loss) && loss > 0, "the box loss is no number");
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::table_program(argc, argv, "Losses and anchor matching against the memory's bandwidth",
                              [](bench::Table& table) {
                                const auto anchors = bench::anchor_boxes();
                                const Truth truth(20);
                                match(table, anchors, Truth(500), "anchor_match 500 boxes");
                                const Matched matched = match(table, anchors, truth, "anchor_match 20 boxes");
                                losses<float>(table, "fp32", anchors, truth, matched);
                                losses<bfloat16>(table, "bf16", anchors, truth, matched);
                              });
}
