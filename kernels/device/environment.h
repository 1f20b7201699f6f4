// What the environment says.
#pragma once
#include <string>

namespace fovea {

// The value of a variable; nullptr: it is not set, or empty, or `name` is nullptr.
const char* environment(const char* name);

// Where what was found out about this machine is kept for the next process (plans of cuDNN, verdicts on a GPU):
// $XDG_CACHE_HOME/fovea, ~/.cache/fovea, or nowhere (empty) where neither variable is set.
std::string cache_folder();

}  // namespace fovea
