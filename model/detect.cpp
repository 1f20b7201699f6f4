#include "model/detect.h"

#include "kernels/nms.h"
#include "kernels/traffic.h"
#include "model/levels.h"

namespace fovea {

DeviceDetections detect(Context& context, const Outputs& outputs, const ModelConfig& config, const Tensor& anchors,
                        const Tensor& image_sizes, const Tensor& image_scale) {
  const int64_t images = outputs.logits[0].batch(), limit = config.detect.per_image;
  DeviceDetections found{context.empty({images, limit, 4}, DType::F32), context.empty({images, limit}, DType::F32),
                         context.empty({images, limit}, DType::I32), context.empty({images}, DType::I32)};
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

std::vector<std::vector<Detected>> to_host(const DeviceDetections& detections) {
  const auto boxes = detections.boxes.to_host<float>(), scores = detections.scores.to_host<float>();
  const auto labels = detections.labels.to_host<int32_t>(), counts = detections.counts.to_host<int32_t>();
  const auto limit = static_cast<size_t>(detections.scores.shape()[1]);
  std::vector<std::vector<Detected>> images(counts.size());
  for (size_t n = 0; n < counts.size(); ++n)
    for (size_t i = n * limit; i < n * limit + static_cast<size_t>(counts[n]); ++i)
      images[n].push_back({boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3], scores[i], labels[i]});
  return images;
}

}  // namespace fovea
