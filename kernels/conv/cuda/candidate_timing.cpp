#include "kernels/conv/cuda/candidate_timing.h"

#include <algorithm>
#include <limits>

#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/notice.h"

namespace fovea::conv::cuda {
namespace {

constexpr int kRuns = 5;
constexpr double kMuchSlower = 2;

}  // namespace

double time_one(Queue& queue, const std::function<void()>& run, double best) {
  run();
  queue.synchronize("the first run of a candidate");
  double least = seconds(queue, run);
  for (int i = 1; i < kRuns && least < kMuchSlower * best; ++i) least = std::min(least, seconds(queue, run));
  return least;
}

Timed fastest(Queue& queue, const Candidates& candidates) {
  Timed best{-1, std::numeric_limits<double>::infinity()};
  for (int i = 0; i < candidates.count; ++i) {
    try {
      if (!candidates.prepare(i)) continue;
      const double taken = time_one(queue, candidates.run, best.seconds);
      if (taken < best.seconds) {
        if (best.candidate >= 0) candidates.drop(best.candidate);
        best = {i, taken};
      } else {
        candidates.drop(i);
      }
    } catch (const Error& error) {
      candidates.drop(i);
      warn("skipped candidate " + std::to_string(i) + " of " + std::to_string(candidates.count) + " for " +
           candidates.what + ": " + error.what());
    }
  }
  return best.candidate < 0 ? Timed{} : best;
}

}  // namespace fovea::conv::cuda
