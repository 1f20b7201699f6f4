// What the trainings of a study cost, by the arithmetic of their networks and the time of some of it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/config/config.h"

namespace fovea {

// Multiply-adds of the network's convolutions in the forward pass, for an image of 4:3 at the size that detects.
double macs_of_image(const Config& config);

// Those of so many steps of training, and of a whole training with its validations of so many images. `macs` are those
// of an image in detection.
double macs_of_steps(const Config& config, double macs, int64_t steps);
double macs_of_training(const Config& config, double macs, size_t val_images);

// From when the first training begins until the last one ends, if each that ends makes room for the next.
double seconds_of_all(const std::vector<double>& seconds, int jobs);

// "8 trainings of about 4 min, 2 at a time: about 16 min", of each one's seconds; at least one.
std::string cost_text(const std::vector<double>& seconds, int jobs);

}  // namespace fovea
