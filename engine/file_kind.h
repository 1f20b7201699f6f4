// What a file is that was taken for weights, by its bytes.
#pragma once
#include <string>
#include <string_view>

namespace fovea {

// "a PyTorch file (zip): …, save its state_dict as safetensors"; empty where nothing known begins like that.
std::string kind_of_other_file(std::string_view file);

}  // namespace fovea
