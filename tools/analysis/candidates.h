// Candidates of detection in a network with random weights. As it is drawn no logit reaches the score threshold, so
// that what follows the heads would have nothing to do.
#pragma once
#include <cstdint>
#include <vector>

#include "model/retinanet.h"

namespace fovea {

// Logits above the score threshold an image, by level: of the first images of the batch, a few at most. Waits for the
// queue.
std::vector<double> candidates_by_level(const RetinaNet& model, const Outputs& outputs);

// Changes the last convolution of the classification head so that, on the batch which gave these outputs, `wanted`
// logits an image pass (a tenth of them at most): logits get a spread of 1, each output's bias takes out its own mean,
// so that candidates are of many classes, and what all biases have in common puts the threshold in its place.
void give_candidates(RetinaNet& model, const Outputs& outputs, int64_t wanted);

}  // namespace fovea
