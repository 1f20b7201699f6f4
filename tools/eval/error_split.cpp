#include "tools/eval/error_split.h"

#include <algorithm>

#include "tools/eval/coco_metrics.h"

namespace fovea {
namespace {

constexpr double background = 0.1;
constexpr int right = -1;  // in place of a fault

struct TypedVote {
  double score;
  int label;
  int fault;         // or `right`
  int mended_label;  // the class in which mending makes it a right detection; -1: mending takes it away
};

class Splitter {
 public:
  Splitter(size_t classes, double threshold) : threshold_(threshold), objects_(classes), missed_(classes) {
    split_.class_counts.resize(classes);
  }

  void add(const ImageBoxes& boxes) {
    std::vector<bool> mendable(boxes.objects.size());  // a missed object that mending a detection would find
    for (size_t d = 0; d < boxes.detections.size(); ++d) {
      if (boxes.verdicts[d] == Verdict::Ignored) continue;
      votes_.push_back({boxes.detections[d]->score, boxes.detection_labels[d], right, -1});
      if (boxes.verdicts[d] == Verdict::Right) continue;
      const auto [fault, object] = classify(boxes, d);
      votes_.back().fault = fault;
      count(fault, boxes.detection_labels[d]);
      if (object < 0 || boxes.found_by[object] >= 0) continue;
      if (!mendable[object]) votes_.back().mended_label = boxes.object_labels[object];  // the others are not better
      mendable[object] = true;
    }
    for (size_t g = 0; g < boxes.objects.size(); ++g) {
      if (boxes.objects[g]->crowd) continue;
      ++objects_[boxes.object_labels[g]];
      if (boxes.found_by[g] >= 0 || mendable[g]) continue;
      ++missed_[boxes.object_labels[g]];
      count(MissedError, boxes.object_labels[g]);
    }
  }

  ErrorSplit finish() {
    std::stable_sort(votes_.begin(), votes_.end(),
                     [](const TypedVote& a, const TypedVote& b) { return a.score > b.score; });
    split_.ap = mean_ap(-1, objects_);
    if (split_.ap == no_ground_truth) return split_;
    // Where mending leaves no object to look for, nothing is wrong any more. The steps of recall can cost a little.
    const auto gain = [&](double ap) { return std::max(0.0, (ap == no_ground_truth ? 1 : ap) - split_.ap); };
    for (int fault = 0; fault < fault_count; ++fault) {
      auto objects = objects_;
      for (size_t k = 0; fault == MissedError && k < objects.size(); ++k) objects[k] -= missed_[k];
      split_.gains[fault] = gain(mean_ap(fault, objects));
    }
    split_.false_positives_gain = gain(mean_ap_of_right_ones());
    split_.false_negatives_gain = gain(mean_ap(-1, right_ones()));
    return split_;
  }

 private:
  struct Classified {
    int fault;
    int object;  // that mending would give it; -1: none
  };

  Classified classify(const ImageBoxes& boxes, size_t d) const {
    const int label = boxes.detection_labels[d];
    const auto counts = [&](size_t g) { return !boxes.objects[g]->crowd; };
    const auto own = boxes.nearest(d, [&](size_t g) { return counts(g) && boxes.object_labels[g] == label; });
    if (own.iou >= background && own.iou <= threshold_) return {LocationError, own.object};
    const auto other = boxes.nearest(d, [&](size_t g) { return counts(g) && boxes.object_labels[g] != label; });
    if (other.iou >= threshold_) return {ClassError, other.object};
    if (own.iou >= threshold_) return {DuplicateError, -1};  // a free object would have been its own
    return {std::max(own.iou, other.iou) <= background ? BackgroundError : BothError, -1};
  }

  void count(int fault, int label) {
    ++split_.counts[fault];
    ++split_.class_counts[label][fault];
  }

  // Mean over the classes with objects of AP with one kind of fault mended.
  double mean_ap(int mended, const std::vector<int64_t>& objects) const {
    std::vector<std::vector<int64_t>> counted(objects.size());
    std::vector<int64_t> all(objects.size());
    for (const TypedVote& vote : votes_) {
      const bool mend = vote.fault != right && vote.fault == mended;
      const int label = mend ? vote.mended_label : vote.label;
      if (label < 0) continue;
      ++all[label];
      if (mend || vote.fault == right) counted[label].push_back(all[label]);
    }
    return mean_over_classes(objects, [&](size_t k) { return interpolated_precision(counted[k], objects[k]); });
  }

  double mean_ap_of_right_ones() const {
    const auto right_counts = right_ones();
    return mean_over_classes(objects_, [&](size_t k) {
      std::vector<int64_t> counted(right_counts[k]);
      for (size_t i = 0; i < counted.size(); ++i) counted[i] = static_cast<int64_t>(i + 1);
      return interpolated_precision(counted, objects_[k]);
    });
  }

  std::vector<int64_t> right_ones() const {
    std::vector<int64_t> counts(objects_.size());
    for (const TypedVote& vote : votes_) counts[vote.label] += vote.fault == right;
    return counts;
  }

  template <class Ap>
  static double mean_over_classes(const std::vector<int64_t>& objects, Ap&& ap) {
    double sum = 0, classes = 0;
    for (size_t k = 0; k < objects.size(); ++k) {
      if (objects[k] == 0) continue;
      sum += ap(k);
      ++classes;
    }
    return classes > 0 ? sum / classes : no_ground_truth;
  }

  double threshold_;
  std::vector<int64_t> objects_, missed_;  // of each class
  std::vector<TypedVote> votes_;
  ErrorSplit split_{};
};

}  // namespace

ErrorSplit split_errors(std::span<const ImageBoxes> images, size_t classes, double threshold) {
  Splitter splitter(classes, threshold);
  for (const ImageBoxes& boxes : images) splitter.add(boxes);
  return splitter.finish();
}

}  // namespace fovea
