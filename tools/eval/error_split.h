// What keeps AP from 1, split as TIDE does (Bolya, Foley, Hays, Hoffman 2020): each wrong detection has one kind, in
// the order tried; with what AP would be if all of a kind were mended and nothing else.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/eval/image_boxes.h"

namespace fovea {

// With t the IoU threshold of a right detection, and b = 0.1 that of background:
enum ErrorType {
  LocationError,    // b ≤ IoU ≤ t with an object of its class
  ClassError,       // IoU ≥ t with an object of another class
  DuplicateError,   // IoU ≥ t with an object of its class that a better detection has found
  BackgroundError,  // IoU ≤ b with every object
  BothError,        // what is left: class and place are wrong
  MissedError,      // an object that was not found, and that mending a class or a place would not find either
  fault_count
};

constexpr std::array<const char*, fault_count> fault_names = {"localisation", "class", "duplicate",
                                                              "background",   "both",  "missed"};

struct ErrorSplit {
  double ap;  // as it is, at the IoU threshold
  std::array<int64_t, fault_count> counts{};
  std::array<double, fault_count> gains{};            // AP won by mending all of this kind
  double false_positives_gain, false_negatives_gain;  // by mending all wrong detections, or all objects not found
  std::vector<std::array<int64_t, fault_count>> class_counts;  // by the class of the detection, or of the missed object
};

// `threshold`: what the images were judged at.
ErrorSplit split_errors(std::span<const ImageBoxes> images, size_t classes, double threshold);

}  // namespace fovea
