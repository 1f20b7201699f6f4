// Detection of one image of 800 x 800, 91 classes, from head outputs to boxes, by the share of logits that pass:
//   bench_nms [--device cpu|cuda] [--kernel TEXT] [--runs 21] [--cpu-time] [--json FILE]
#include "kernels/nms.h"

#include "benchmarks/bench.h"
#include "benchmarks/heads.h"
#include "kernels/launch/dtype.h"

using namespace fovea;
using namespace fovea::kernels;

namespace {

constexpr int kClasses = 91, kDetections = 100;

template <class T>
void detection(bench::Table& table, const char* dtype, float mean) {
  Queue& queue = table.queue();
  const bench::HeadOutput<T> logits(queue, kClasses, mean, 1.f), deltas(queue, 4, 0.f, 0.2f);
  const bench::Buffer<float> anchors(queue, bench::anchor_boxes()),
      size(queue, {float{bench::kImageSide}, float{bench::kImageSide}});
  bench::Buffer<float> boxes(queue, kDetections * 4), scores(queue, kDetections);
  bench::Buffer<int32_t> labels(queue, kDetections), count(queue, 1);
  DetectArgs<T> args;
  args.logits = logits.view();
  args.deltas = deltas.view();
  args.anchors = anchors.data();
  args.image_sizes = size.data();
  args.boxes = boxes.data();
  args.scores = scores.data();
  args.labels = labels.data();
  args.counts = count.data();
  bench::Buffer<char> workspace(queue, detect_workspace(args));
  args.workspace = workspace.data();
  char name[64];
  std::snprintf(name, sizeof(name), "detect, logits %.1f +- 1", mean);
  table.run(name, dtype, traffic::detect(args), [&] { detect(queue, args); });
  require(count.front() > 0 && scores.front() > args.score_threshold, "the benchmark's scores give no detections");

  if (queue.on_cuda()) return;
  QueueProfile profile;
  queue.set_profile(&profile);
  detect(queue, args);
  queue.set_profile(nullptr);
  for (const auto& [step, entry] : profile.entries)
    std::printf("    %-24s %9.3f ms\n", step.name.c_str(), 1e3 * entry.seconds);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::table_program(argc, argv, "Detection against the time to read the logits once",
                              [](bench::Table& table) {
                                for (const float mean : {-7.5f, -6.6f, -6.f, -4.6f})
                                  detection<float>(table, "fp32", mean);
                                detection<bfloat16>(table, "bf16", -6.6f);
                              });
}
