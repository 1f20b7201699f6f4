// What the ranks of a training settle between them on the host: that they agree at the start, each step's size and end,
// and what is gathered from all. With one rank all of it is trivial.
#pragma once
#include <string>
#include <vector>

#include "engine/distributed/communicator.h"
#include "tools/config/config.h"
#include "tools/data/loading/batch.h"
#include "tools/eval/boxes.h"

namespace fovea {

// An error that every rank throws at the same point, so that none waits for another. Only rank 0 has words for it.
class AgreedError : public Error {
 public:
  using Error::Error;
};
[[noreturn]] void all_throw(const Communicator& ranks, ErrorKind kind, const std::string& message);

// All ranks must train the same: throws AgreedError(Usage), naming the fields that differ. `settings`: what else must
// be the same, as text.
void require_same_config(Communicator& ranks, const Config& config, const std::string& settings);
// … on the same data: annotations and file names. AgreedError(Data) says of which split they differ.
void require_same_data(Communicator& ranks, const Dataset& train, const Dataset& val);

// Images of each rank in a step; AgreedError(Usage) where the batch cannot be split evenly.
int batch_of_rank(const Communicator& ranks, int batch);

// Ranks on one machine share its cores, unless OMP_NUM_THREADS says otherwise; on GPUs each takes one of its own.
void share_machine(const Communicator& ranks, DeviceKind device);

// Each rank needs a GPU that no other one has: throws AgreedError(Usage).
void require_own_gpus(Communicator& ranks, DeviceKind device);

struct MemoryEstimate {
  BatchShape shape;  // that the images of every rank fit into, so that all pad alike
  bool stop;         // somebody was asked to
  bool records;      // nobody has given up recordings, which have the ranks' sums in them
};
MemoryEstimate agree_on_step(Communicator& ranks, const MemoryEstimate& own);

// The detections of all ranks, in the dataset's order.
std::vector<Detection> gather_detections(Communicator& ranks, const Dataset& dataset,
                                         const std::vector<Detection>& own);
// Every rank learns which files the others could not use. Throws as BadFiles::add.
void share_bad_files(Communicator& ranks, BadFiles& bad_files);
// "rank 0: …" one after another; the text alone where there is one rank.
std::string gather_text(Communicator& ranks, const std::string& own);

}  // namespace fovea
