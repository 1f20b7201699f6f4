// Where time goes by layer, of a measured profile or a predicted one.
#pragma once
#include <string>

#include "kernels/device/queue.h"

namespace fovea {

// Rows of layers, columns of the calls that layers have, in microseconds; what belongs to no layer by name.
std::string layer_table(const QueueProfile& profile);

// {"LAYER":{"CALL":seconds, …}, …}; calls of no layer under "".
std::string layers_json(const QueueProfile& profile);

}  // namespace fovea
