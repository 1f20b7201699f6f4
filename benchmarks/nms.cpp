// Detection of one image of 800 x 800, 91 classes, from head outputs to boxes, by the share of logits that pass:
//   bench_nms [--runs 21] [--cpu-time] [--json FILE]
#include "kernels/nms.h"

#include "benchmarks/bench.h"
#include "benchmarks/heads.h"
#include "kernels/dtype.h"

using namespace fovea;
using namespace fovea::kernels;

namespace {

constexpr int kClasses = 91, kDetections = 100;

template <class T>
void detection(bench::Table& table, const char* dtype, const std::vector<float>& anchors, float mean) {
  Queue queue;
  const bench::HeadOutput<T> logits(kClasses, mean, 1.f), deltas(4, 0.f, 0.2f);
  const float size[] = {bench::kImageSide, bench::kImageSide};
  std::vector<float> boxes(kDetections * 4), scores(kDetections);
  std::vector<int32_t> labels(kDetections);
  int32_t count = 0;
  DetectArgs<T> args;
  args.logits = logits.view();
  args.deltas = deltas.view();
  args.anchors = anchors.data();
  args.image_sizes = size;
  args.boxes = boxes.data();
  args.scores = scores.data();
  args.labels = labels.data();
  args.counts = &count;
  std::vector<char> workspace(detect_workspace(args));
  args.workspace = workspace.data();
  char name[64];
  std::snprintf(name, sizeof(name), "detect, logits %.1f +- 1", mean);
  table.run(name, dtype, logits.bytes(), [&] { detect(queue, args); });
  require(count > 0 && scores[0] > args.score_threshold, "the benchmark's scores give no detections");

  QueueProfile profile;
  queue.set_profile(&profile);
  detect(queue, args);
  for (const auto& [step, entry] : profile.entries)
    std::printf("    %-24s %9.3f ms\n", step.c_str(), 1e3 * entry.seconds);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::table_program(argc, argv, "Detection against the time to read the logits once",
                              [](bench::Table& table) {
                                const auto anchors = bench::anchor_boxes();
                                for (const float mean : {-7.5f, -6.6f, -6.f, -4.6f})
                                  detection<float>(table, "fp32", anchors, mean);
                                detection<bfloat16>(table, "bf16", anchors, -6.6f);
                              });
}
