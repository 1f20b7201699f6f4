// What a file of weights holds, as text.
#pragma once
#include <string>

#include "engine/tensor_file.h"

namespace fovea {

// A line on the file, and one a tensor: the name that a network takes it by, its dtype, its shape, and its name in the
// file where that is another.
std::string tensor_list(const TensorFile& file);

}  // namespace fovea
