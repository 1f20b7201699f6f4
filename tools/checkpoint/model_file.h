// A network from a file of weights, ready to detect or to be evaluated.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"
#include "model/retinanet.h"
#include "model/weights.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"

namespace fovea {

struct ModelOptions {
  DeviceKind device = DeviceKind::Cpu;
  std::function<void(Config&)> adjust;       // changes the file's configuration before the network is made from it
  NonFinite non_finite = NonFinite::Refuse;  // of weights
  std::string state_dict;                    // as of open_tensor_file()
};

struct ModelFile {
  Config config;
  std::vector<Category> categories;  // empty: the file does not say
  std::unique_ptr<Context> context;
  std::unique_ptr<RetinaNet> model;
};
// The configuration is the file's own; for weights without one (torchvision's), the preset "torchvision" with as many
// classes as the weights have. Throws Error(Data) where the file is damaged or does not fit the network, Error(Usage)
// where the configuration is refused.
ModelFile open_model(const std::string& weights, const ModelOptions& options = {});

// What the network's labels mean on this dataset: the file's categories, found there by name or else by id; where the
// file names none, the dataset's if there are as many, or ids as labels (torchvision's 91 outputs for COCO).
// Error(Data) where they do not go together.
std::vector<Category> categories_for(const ModelFile& file, const Dataset& dataset);

}  // namespace fovea
