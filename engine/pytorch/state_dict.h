// Where in a PyTorch file the weights lie: alone, or within a checkpoint of a training.
#pragma once
#include <map>
#include <string>

#include "engine/pytorch/objects.h"

namespace fovea::pytorch {

struct StateDict {
  std::string place;                     // "model"; "model.state_dict"; empty: the file is nothing else
  std::map<std::string, Value> tensors;  // by their names there
};

// The first of the usual keys (kStateDictKeys) under which there are tensors, or what has tensors itself; the weights
// that a training averages (ema) come last. With `key`: under this one. What stands beside the weights is passed over.
// Throws Error(Data) where there is none, saying what the file holds instead. `file`: printable.
StateDict find_state_dict(const Objects& objects, Value root, const std::string& file, const std::string& key = "");

}  // namespace fovea::pytorch
