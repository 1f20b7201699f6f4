#include "tools/eval/evaluate.h"

#include <algorithm>

#include "tools/data/loading/loader.h"
#include "tools/detect/detector.h"
#include "tools/eval/coco_results.h"
#include "tools/eval/truth_set.h"

namespace fovea {

std::vector<Detection> detect_dataset(RetinaNet& model, const Dataset& dataset, const std::vector<Category>& categories,
                                      const InputConfig& input, BadFiles& bad_files, const DatasetPass& pass) {
  const int batch = pass.batch > 0 ? pass.batch : suitable_batch(model.context().queue.device());
  InputConfig ahead = input;
  ahead.prefetch = std::max(input.prefetch, 2 * batch);  // of the loader's batches, which are one image each
  Loader loader(dataset, ahead, {.batch = 1, .share = pass.share, .training = false}, bad_files);
  Detector detector(model, input, batch);
  std::vector<std::vector<Detection>> of_images;
  size_t done = 0;
  const auto take = [&](const std::vector<Detector::Found>& found) {
    for (const Detector::Found& one : found) {
      of_images.resize(std::max(of_images.size(), one.number + 1));
      for (const Detected& d : one.boxes)
        of_images[one.number].push_back(
            coco_detection(one.image.sample->id, categories[static_cast<size_t>(d.label)].id, d));
      if (pass.progress) pass.progress(++done, dataset.samples.size());
    }
  };
  for (auto loaded = loader.next(); !loaded.empty(); loaded = loader.next()) {
    if (pass.interrupted && pass.interrupted()) return {};
    take(detector.add(std::move(loaded[0])));
  }
  take(detector.finish());
  std::vector<Detection> detections;
  for (const auto& of_image : of_images) detections.insert(detections.end(), of_image.begin(), of_image.end());
  return detections;
}

CocoMetrics evaluate(const Dataset& dataset, const std::vector<Detection>& detections) {
  return coco_metrics(dataset.categories, ground_truth(dataset), detections);
}

}  // namespace fovea
