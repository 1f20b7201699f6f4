// Whether a file of detections is in other units or another order than COCO's x, y, width, height in pixels, or its
// category ids are shifted, which would evaluate to an AP of nearly 0 and no word about it.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "tools/eval/boxes.h"
#include "tools/eval/truth_set.h"

namespace fovea {

// Lines for the user about scores that are not in 0…1, and boxes and categories that look wrong together. `name`: of
// the file, fit to print. Throws ErrorKind::Data where they are surely something else: boxes all within the first
// pixel, while the objects are not; or most of the best detections match an object when they are read in another order,
// scale or count of categories, and hardly any as they stand.
std::vector<std::string> look_at_results(const std::string& name, const TruthSet& truth,
                                         std::span<const Detection> detections);

}  // namespace fovea
