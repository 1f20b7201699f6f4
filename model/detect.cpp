#include "model/detect.h"

#include "kernels/nms.h"
#include "kernels/traffic.h"
#include "model/levels.h"
#include "model/outputs.h"

namespace fovea {

namespace {

// Where the parts of DeviceDetections::all begin, in bytes; the boxes at 0.
struct Places {
  size_t images, limit;
  size_t scores() const { return images * limit * 4 * sizeof(float); }
  size_t labels() const { return scores() + images * limit * sizeof(float); }
  size_t counts() const { return labels() + images * limit * sizeof(int32_t); }
  size_t bytes() const { return counts() + images * sizeof(int32_t); }
};

}  // namespace

DeviceDetections::DeviceDetections(Context& context, int64_t images, int64_t limit) {
  const Places places{static_cast<size_t>(images), static_cast<size_t>(limit)};
  all = context.empty({static_cast<int64_t>(places.bytes())}, DType::U8);
  boxes = all.reinterpreted({images, limit, 4}, DType::F32);
  scores = all.reinterpreted({images, limit}, DType::F32, places.scores());
  labels = all.reinterpreted({images, limit}, DType::I32, places.labels());
  counts = all.reinterpreted({images}, DType::I32, places.counts());
}

DeviceDetections detect(Context& context, const Outputs& outputs, const ModelConfig& config, const Tensor& anchors,
                        const Tensor& image_sizes, const Tensor& image_scale) {
  DeviceDetections found(context, outputs.logits[0].batch(), config.detect.per_image);
  dispatch(outputs.logits[0].dtype(), [&]<class T> {
    kernels::DetectArgs<T> args;
    args.logits = level_view<T>(outputs.logits, config.anchors.per_location(), config.classes);
    args.deltas = level_view<T>(outputs.deltas, config.anchors.per_location(), 4);
    args.anchors = anchors.data<float>();
    args.image_sizes = image_sizes.data<float>();
    args.image_scale = image_scale ? image_scale.data<float>() : nullptr;
    args.coder = box_coder(config);
    args.score_threshold = static_cast<float>(config.detect.score_threshold);
    args.candidates_per_level = config.detect.candidates_per_level;
    args.nms_threshold = static_cast<float>(config.detect.nms_threshold);
    args.detections_per_image = config.detect.per_image;
    args.class_agnostic = config.detect.class_agnostic;
    args.boxes = found.boxes.data<float>();
    args.scores = found.scores.data<float>();
    args.labels = found.labels.data<int32_t>();
    args.counts = found.counts.data<int32_t>();
    const Tensor workspace = context.empty({static_cast<int64_t>(kernels::detect_workspace(args))}, DType::U8);
    args.workspace = workspace.raw();
    kernels::traffic::declare(context.queue, kernels::traffic::detect(args));
    kernels::detect(context.queue, args);
  });
  return found;
}

std::vector<std::vector<Detected>> detections_in(const std::byte* all, size_t images, size_t limit) {
  const Places places{images, limit};
  const auto* boxes = reinterpret_cast<const float*>(all);
  const auto* scores = reinterpret_cast<const float*>(all + places.scores());
  const auto* labels = reinterpret_cast<const int32_t*>(all + places.labels());
  const auto* counts = reinterpret_cast<const int32_t*>(all + places.counts());
  std::vector<std::vector<Detected>> found(images);
  for (size_t n = 0; n < images; ++n)
    for (size_t i = n * limit; i < n * limit + static_cast<size_t>(counts[n]); ++i)
      found[n].push_back({boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3], scores[i], labels[i]});
  return found;
}

std::vector<std::vector<Detected>> to_host(const DeviceDetections& detections) {
  const auto all = detections.all.to_host<uint8_t>();
  return detections_in(reinterpret_cast<const std::byte*>(all.data()), static_cast<size_t>(detections.counts.count()),
                       static_cast<size_t>(detections.scores.shape()[1]));
}

}  // namespace fovea
