// What a file is that was taken for weights, by its bytes.
#pragma once
#include <string>
#include <string_view>

namespace fovea {

// The length of a header that can be, and its brace.
bool looks_like_safetensors(std::string_view file);

// What a zip archive is by the names of what lies in it: "a Keras file (zip): …"; empty: nothing known.
std::string kind_of_zip(std::string_view names);

// "a PyTorch file (zip): …, save its state_dict as safetensors"; empty where nothing known begins like that.
std::string kind_of_other_file(std::string_view file);

}  // namespace fovea
