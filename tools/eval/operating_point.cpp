#include "tools/eval/operating_point.h"

#include <algorithm>

namespace fovea {
namespace {

struct JudgedScore {
  double score;
  bool right;
};

OperatingPoint best_of(std::vector<JudgedScore> votes, int64_t objects) {
  OperatingPoint best;
  if (objects == 0 || votes.empty()) return best;
  std::sort(votes.begin(), votes.end(), [](JudgedScore a, JudgedScore b) { return a.score > b.score; });
  double right = 0, all = 0;
  const auto count = static_cast<double>(objects);
  for (size_t i = 0; i < votes.size(); ++i) {
    right += votes[i].right;
    ++all;
    if (i + 1 < votes.size() && votes[i + 1].score == votes[i].score) continue;  // equal ones go together
    const double f1 = 2 * right / (all + count);
    if (best.known && f1 <= best.f1) continue;
    best = {true, votes[i].score, right / all, right / count, f1};
  }
  return best;
}

}  // namespace

OperatingPoints best_operating_points(std::span<const ImageBoxes> images, size_t classes) {
  std::vector<std::vector<JudgedScore>> votes(classes);
  std::vector<JudgedScore> all;
  std::vector<int64_t> objects(classes);
  int64_t all_objects = 0;
  for (const ImageBoxes& boxes : images) {
    for (size_t g = 0; g < boxes.objects.size(); ++g) objects[boxes.object_labels[g]] += !boxes.objects[g]->crowd;
    for (size_t d = 0; d < boxes.detections.size(); ++d) {
      if (boxes.verdicts[d] == Verdict::Ignored) continue;
      const JudgedScore vote{boxes.detections[d]->score, boxes.verdicts[d] == Verdict::Right};
      votes[boxes.detection_labels[d]].push_back(vote);
      all.push_back(vote);
    }
  }
  OperatingPoints points;
  for (size_t k = 0; k < classes; ++k) {
    all_objects += objects[k];
    points.classes.push_back(best_of(std::move(votes[k]), objects[k]));
  }
  points.overall = best_of(std::move(all), all_objects);
  return points;
}

}  // namespace fovea
