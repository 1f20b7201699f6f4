// A checkpoint: the network under torchvision's names, and in the same file the optimizer's state, the configuration,
// the categories and where in the training it stands. The order of data and the augmentation follow from seed and step.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "engine/optimizer.h"
#include "engine/tensor_file.h"
#include "model/retinanet.h"
#include "model/weights.h"
#include "tools/checkpoint/data_identity.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"

namespace fovea {

struct TrainingState {
  int64_t step = 0;                  // steps done
  double best_ap = -1;               // of the validations so far; -1: none yet
  std::optional<DataIdentity> data;  // none: an older checkpoint does not say
};

// What a file says about itself; a file of weights alone (from torchvision, say) says nothing.
struct CheckpointInfo {
  std::optional<Config> config;
  std::vector<Category> categories;
  std::optional<TrainingState> state;
};

// Written whole or not at all, and never what the reader would refuse: Error(Data) where a class name is not UTF-8.
// `optimizer` may be nullptr: then the file serves for detection and as a start, not to resume.
void save_checkpoint(const std::filesystem::path& path, const RetinaNet& model, const Optimizer* optimizer,
                     const Config& config, const std::vector<Category>& categories, const TrainingState& state);

CheckpointInfo read_info(const TensorFile& file);
// Reads a checkpoint that was just written: whether those of this disk, and of these names, can be read. Throws
// Error(Runtime).
void require_readable(const std::filesystem::path& path);
// Throws Error(Data) where the file has no state of this optimizer in this size, or one that is not finite.
void restore_optimizer(const TensorFile& file, Optimizer& optimizer, NonFinite non_finite = NonFinite::Refuse);

}  // namespace fovea
