// What an evaluation asks for: IoU thresholds, detections an image, ranges of object size. The defaults are COCO's.
#pragma once
#include <string>
#include <vector>

namespace fovea {

struct AreaRange {
  std::string name;
  double low, high;  // square pixels; both ends belong to the range
};

// numpy.linspace(first, last, count): the rounding of i × step decides, e.g. 0.8999999999999999 for the IoU 0.9.
std::vector<double> linspace(double first, double last, int count);

struct EvalSettings {
  std::vector<double> ious = linspace(0.5, 0.95, 10);  // ascending
  std::vector<int> limits = {1, 10, 100};  // ascending: the best so many detections of a class in an image count
  std::vector<AreaRange> areas = {{"all", 0, 1e10}, {"small", 0, 1024}, {"medium", 1024, 9216}, {"large", 9216, 1e10}};

  // Position of a threshold in `ious`, or -1.
  int index_of(double iou) const;
};

// One number of an evaluation: the mean precision or recall over IoU thresholds, classes and (precision) recalls.
struct Metric {
  std::string name;
  bool recall;
  int iou;    // index into ious, or -1: the mean over all of them
  int area;   // index into areas
  int limit;  // detections an image
};

// In COCO's order: AP, AP50 and AP75 where these thresholds are among the settings', AP by area; AR by limit, by area.
std::vector<Metric> metrics_of(const EvalSettings& settings);

// From the words of a command line; empty lists leave COCO's. `ious`: numbers, or one first:last:step. `areas`:
// name=low:high in square pixels, beside "all". Throws ErrorKind::Usage, naming the word.
EvalSettings parse_settings(const std::vector<std::string>& ious, const std::vector<int>& limits,
                            const std::vector<std::string>& areas);

}  // namespace fovea
