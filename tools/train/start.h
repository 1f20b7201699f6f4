// Where a training starts: a checkpoint that it goes on from, weights of another, or what was drawn.
#pragma once
#include <memory>
#include <vector>

#include "engine/distributed/communicator.h"
#include "tools/checkpoint/checkpoint.h"
#include "tools/train/observer.h"
#include "tools/train/trainer.h"

namespace fovea {

// Throws ErrorKind::Usage where the run would be written into a dataset, or over the configuration (empty: none) or the
// weights that it starts from. A resumed run may be given the configuration that lies in its folder.
void require_own_files(const std::filesystem::path& config, const TrainOptions& options);

// The network of a run on `train`, whose class weights it may need. `drawn`: with initial weights, else with none yet.
std::unique_ptr<RetinaNet> make_network(Context& context, const Config& config, const Dataset& train, bool drawn);

// What must be as it was when the checkpoint was written.
struct ResumedRun {
  const Config& config;
  const std::vector<Category>& categories;
  const DataIdentity& data;
  const TrainOptions& options;
};
// Fills the network and the optimizer, and says so; where in the training that is. Throws Error(Usage), with the
// differences, where configuration, classes or data are not the checkpoint's, unless the options allow it; Error(Data)
// where the file has not all of it.
TrainingState resume(const TensorFile& file, RetinaNet& model, Optimizer& optimizer, const ResumedRun& now,
                     TrainObserver& observer);

// The file of options.init_from, under torchvision's names. Of another program's network it is said which it is, and
// where it is used otherwise than `config` uses its own.
TensorFile weights_to_start_from(const TrainOptions& options, const Config& config, TrainObserver& observer);

// Takes what fits, and says what does not. Error(Data) where nothing does.
void start_from_weights(const TensorFile& file, RetinaNet& model, Optimizer& optimizer, NonFinite non_finite,
                        TrainObserver& observer);

// Everybody starts where rank 0 does, which alone has read a checkpoint or weights.
void share_start(Communicator& ranks, RetinaNet& model, Optimizer& optimizer, TrainingState& state);

}  // namespace fovea
