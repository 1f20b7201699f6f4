// Results in the form that programs write, read at several times the speed of a general reader: entries of image_id,
// category_id, bbox and score, in any order, beside which there are other numbers at most.
#pragma once
#include <filesystem>
#include <optional>

#include "tools/eval/boxes.h"

namespace fovea {

// Nothing where anything is of another form, or wrong: the general reader takes the file then, and says what is wrong.
std::optional<Detections> read_usual_results(const std::filesystem::path& path, size_t workers);

}  // namespace fovea
