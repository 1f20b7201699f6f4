// Lines of numbers with commas in or between them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace fovea {

// The line with spaces between its numbers and points in them: commas and semicolons are read where they have one
// meaning. None where they have two.
std::optional<std::string> yolo_line(std::string_view line);

}  // namespace fovea
