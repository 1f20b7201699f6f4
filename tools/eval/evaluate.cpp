#include "tools/eval/evaluate.h"

#include "tools/data/loader.h"
#include "tools/detect/detector.h"
#include "tools/eval/truth_set.h"

namespace fovea {

std::vector<Detection> detect_dataset(RetinaNet& model, const Dataset& dataset, const std::vector<Category>& categories,
                                      const InputConfig& input, BadFiles& bad_files,
                                      const std::function<void(size_t, size_t)>& progress,
                                      const std::function<bool()>& interrupted, DataShare share) {
  Loader loader(dataset, input, {.batch = 1, .share = share, .training = false}, bad_files);
  Detector detector(model, input);
  std::vector<Detection> detections;
  for (size_t done = 0;;) {
    const auto loaded = loader.next();
    if (loaded.empty() || (interrupted && interrupted())) return detections;
    const auto found = detector.detect(loaded);
    for (size_t n = 0; n < found.size(); ++n)
      for (const Detected& d : found[n])
        detections.push_back({loaded[n].sample->id, categories[static_cast<size_t>(d.label)].id, d.x1, d.y1,
                              double{d.x2} - d.x1, double{d.y2} - d.y1, d.score});
    done += loaded.size();
    if (progress) progress(done, dataset.samples.size());
  }
}

CocoMetrics evaluate(const Dataset& dataset, const std::vector<Detection>& detections) {
  return coco_metrics(dataset.categories, ground_truth(dataset), detections);
}

}  // namespace fovea
