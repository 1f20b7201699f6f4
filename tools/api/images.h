// Images in the C API's forms, as the detector takes them. Each function throws what is wrong with the image, under
// its name.
#pragma once
#include <cstddef>
#include <string>

#include "tools/api/executor.h"
#include "tools/api/fovea.h"
#include "tools/config/config.h"
#include "tools/data/loading/loader.h"

namespace fovea::api {

// Of an array of the caller's, whose structs may be of another size than this version's.
fovea_pixels pixels_at(const fovea_pixels* images, size_t index);

// Where they lie: they are used until the detection is done.
LoadedImage load_pixels(const fovea_pixels& pixels, const std::string& name, const ModelFacts& model);
LoadedImage load_encoded(const fovea_encoded& encoded, const std::string& name, const InputConfig& input);
LoadedImage load_file(const char* path, const std::string& name, const InputConfig& input);

}  // namespace fovea::api
