// The networks that `fovea bench --model` knows by a short name: RetinaNets of torchvision's sizes.
#pragma once
#include <string>
#include <vector>

#include "model/config.h"

namespace fovea {

std::vector<std::string> bench_models();
// Throws Error(Usage) for a name that is none of them.
BackboneConfig backbone_of_model(const std::string& name);

}  // namespace fovea
