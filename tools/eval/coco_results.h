// Detections as COCO's results list.
#pragma once
#include <filesystem>
#include <span>
#include <vector>

#include "model/detect.h"
#include "tools/eval/boxes.h"
#include "tools/eval/truth_set.h"

namespace fovea {

// A box of a network, whose corners are given, as COCO has it: the corner of least x and y, width and height.
Detection coco_detection(int64_t image_id, int64_t category_id, const Detected& found);

// Also takes JSON Lines, and an object with the list under "annotations", "predictions", "detections" or "results".
// Reads in parts, on all cores. Throws ErrorKind::Data, naming the entry, when the file is missing or malformed, an
// image or category is none of the ground truth's, a score is no finite number, or a box is not four finite numbers of
// which the size is not negative.
std::vector<Detection> read_coco_results(const std::filesystem::path& path, const TruthSet& truth);

// One entry a line; numbers with the digits that read back the same. Throws ErrorKind::Runtime when it cannot be
// written.
void write_coco_results(const std::filesystem::path& path, std::span<const Detection> detections);

}  // namespace fovea
