// What somebody probably meant.
#pragma once
#include <string>
#include <vector>

namespace fovea {

// The end of a message about an unknown name: "; did you mean 'x'?" with the nearest of the known ones, or nothing
// where none is near.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);

}  // namespace fovea
