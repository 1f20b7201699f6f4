// Weights that say nothing about themselves, as other programs write them: the configuration to use them with, and what
// people are told about that.
#pragma once
#include <string>
#include <vector>

#include "model/recognize.h"
#include "tools/config/config.h"

namespace fovea {

// The preset that the family's networks are most like, with the network and the input as recognized.
Config config_for(const Recognized& recognized);

// Settings of the network and its input that decide what the same weights find, "key = value there -> value here",
// where `config` has others than config_for().
std::vector<std::string> used_otherwise(const Recognized& recognized, const Config& config);

// On stderr: whose network it is, and what was assumed: of `recognized.assumed` and the image's size, the settings that
// `config`, which may have been changed since, has as config_for() has them.
void tell_of_recognized(const std::string& name, const Recognized& recognized, const Config& config);

}  // namespace fovea
