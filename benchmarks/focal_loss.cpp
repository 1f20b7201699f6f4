// The losses and the matching of one image of 800 x 800, 80 classes (9.6 M logits):
//   bench_focal_loss [--device cpu|cuda] [--kernel TEXT] [--runs 21] [--cpu-time] [--json FILE]
#include "kernels/focal_loss.h"

#include "benchmarks/bench.h"
#include "benchmarks/heads.h"
#include "kernels/anchor_match.h"
#include "kernels/box_loss.h"
#include "kernels/launch/dtype.h"

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

// The truth and what is matched to it, on the device of a queue.
struct Matched {
  bench::Buffer<float> anchors, boxes;
  bench::Buffer<int32_t> labels, count, matches, targets, positives;
  bench::Buffer<float> scale;

  Matched(bench::Table& table, const Truth& truth, const std::string& name)
      : Matched(table, truth, name, bench::anchor_boxes()) {}

 private:
  Matched(bench::Table& table, const Truth& truth, const std::string& name, const std::vector<float>& boxes_of_anchors)
      : anchors(table.queue(), boxes_of_anchors),
        boxes(table.queue(), truth.boxes),
        labels(table.queue(), truth.labels),
        count(table.queue(), std::vector<int32_t>{truth.count}),
        matches(table.queue(), boxes_of_anchors.size() / 4),
        targets(table.queue(), boxes_of_anchors.size() / 4),
        positives(table.queue(), 1),
        scale(table.queue(), 1) {
    Queue& queue = table.queue();
    AnchorMatchArgs args;
    args.anchors = anchors.data();
    args.anchor_count = static_cast<int>(matches.size());
    args.images = 1;
    args.max_boxes = truth.count;
    args.truth = boxes.data();
    args.labels = labels.data();
    args.counts = count.data();
    args.matches = matches.data();
    args.targets = targets.data();
    args.positives = positives.data();
    bench::Buffer<char> workspace(queue, anchor_match_workspace(args));
    args.workspace = workspace.data();
    table.run(name, "fp32", traffic::anchor_match(args), [&] { anchor_match(queue, args); });
    loss_scale(queue, /*per_image=*/true, 1, positives.data(), scale.data());
    require(positives.front() > 0, "the benchmark's boxes match no anchor");
  }
};

template <class T>
void losses(bench::Table& table, const char* dtype, Matched& matched) {
  Queue& queue = table.queue();
  bench::Buffer<float> loss(queue, 1);
  {
    const bench::HeadOutput<T> logits(queue, kClasses, -4.6f, 1.f);
    bench::HeadOutput<T> gradient(queue, kClasses, 0.f, 1.f);
    bench::Buffer<float> bias(queue, bench::kAnchorsPerLocation * kClasses);
    FocalLossArgs<T> args{logits.view(), gradient.view(), matched.targets.data(), matched.scale.data()};
    args.loss = loss.data();
    args.bias_gradient = bias.data();
    bench::Buffer<char> workspace(queue, focal_loss_workspace(args));
    args.workspace = workspace.data();
    for (const auto& [gamma, name] :
         {std::pair{2.f, "focal_loss gamma 2"}, {0.f, "focal_loss gamma 0"}, {1.5f, "focal_loss gamma 1.5"}}) {
      args.gamma = gamma;
      table.run(name, dtype, traffic::focal_loss(args), [&] { focal_loss(queue, args); });
      require(std::isfinite(loss.front()) && loss.front() > 0, "the focal loss is no number");
    }
    // The gradient over the logits themselves: fewer lines to fetch. Timed last, since it uses them up.
    bench::HeadOutput<T> both(queue, kClasses, -4.6f, 1.f);
    args.logits = both.view();
    args.gradient = both.view();
    args.gamma = 2.f;
    table.run("focal_loss in place", dtype, traffic::focal_loss(args), [&] { focal_loss(queue, args); });
  }
  const bench::HeadOutput<T> deltas(queue, 4, 0.f, 0.2f);
  bench::HeadOutput<T> gradient(queue, 4, 0.f, 1.f);
  BoxLossArgs<T> args{deltas.view(),          gradient.view(),      matched.anchors.data(),
                      matched.matches.data(), matched.boxes.data(), static_cast<int>(matched.labels.size()),
                      matched.scale.data()};
  args.loss = loss.data();
  bench::Buffer<char> workspace(queue, box_loss_workspace(args));
  args.workspace = workspace.data();
  for (const auto& [kind, name] : {std::pair{BoxLoss::L1, "box_loss L1"}, {BoxLoss::CIoU, "box_loss CIoU"}}) {
    args.kind = kind;
    table.run(name, dtype, traffic::box_loss(args), [&] { box_loss(queue, args); });
    require(std::isfinite(loss.front()) && loss.front() > 0, "the box loss is no number");
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::table_program(argc, argv, "Losses and anchor matching against the memory's bandwidth",
                              [](bench::Table& table) {
                                const Matched many(table, Truth(500), "anchor_match 500 boxes");
                                Matched matched(table, Truth(20), "anchor_match 20 boxes");
                                losses<float>(table, "fp32", matched);
                                losses<bfloat16>(table, "bf16", matched);
                              });
}
