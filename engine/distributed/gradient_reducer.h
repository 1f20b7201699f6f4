// Sums the gradients of all ranks while backward still runs: a part of the flat gradient buffer (a head, the FPN, a
// stage of the backbone) as soon as backward has passed the mark before that part.
#pragma once
#include "engine/parameters.h"

namespace fovea {

class GradientReducer {
 public:
  // For one backward pass. Asks the tape for its marks; nothing where the context's process is alone. Both outlive it.
  GradientReducer(Tape& tape, const ParameterStore& parameters);

  // After backward: sums what no mark has spoken of; what the queue is given next sees all sums. Every element is
  // summed exactly once.
  void finish();

 private:
  void reduce_from(int64_t first);

  Tape& tape_;
  const ParameterStore& parameters_;
  int64_t end_;  // the gradients from here on have been summed
};

}  // namespace fovea
