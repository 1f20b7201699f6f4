// What a file of weights holds, as text.
#pragma once
#include <map>
#include <string>

#include "engine/tensor_file.h"

namespace fovea {

// A line on the file, and one a tensor: the name that a network takes it by, its dtype, its shape, and its name in the
// file where that is another. `taken`: by these names, the file's (names_taken()); `network`: a further line, if any.
std::string tensor_list(const TensorFile& file, const std::map<std::string, std::string>& taken,
                        const std::string& network = "");

}  // namespace fovea
