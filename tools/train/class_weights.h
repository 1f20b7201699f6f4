// How much a training makes of each class.
#pragma once
#include "model/config.h"
#include "tools/data/dataset.h"

namespace fovea {

// `loss` with the class weights that its effective_number asks for, made from the boxes of `train`: 1 / E of each
// class, E = (1 − β^n) / (1 − β) the effective number of its n boxes, scaled to a mean of 1 over the classes that have
// boxes (Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", eq. 2 and section 4); 1 for the
// others. Throws Error(Usage) where class weights that were given are not one for each class.
LossConfig with_class_weights(const LossConfig& loss, const Dataset& train);

}  // namespace fovea
