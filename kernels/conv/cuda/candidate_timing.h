// The fastest of several candidates, whatever they are: cuDNN's plans of a graph, or cuBLASLt's algorithms of a
// matmul. One that fails where it runs is passed over, with a line on stderr; so is, after one run, one that is much
// slower than the best.
#pragma once
#include <functional>
#include <string>

#include "kernels/device/queue.h"

namespace fovea::conv::cuda {

struct Timed {
  int candidate = -1;  // -1: none ran
  double seconds = 0;
};

struct Candidates {
  int count = 0;
  std::string what;                            // for messages
  std::function<bool(int)> prepare;            // candidate i is the one to run; false: it cannot be
  std::function<void()> run;                   // puts it on the queue
  std::function<void(int)> drop = [](int) {};  // candidate i is not the best: what it holds may go
};

// Of several runs the fastest; the first, in which kernels are loaded, does not count. Where a run takes twice `best`
// there are no further ones.
double time_one(Queue& queue, const std::function<void()>& run, double best);

Timed fastest(Queue& queue, const Candidates& candidates);

}  // namespace fovea::conv::cuda
