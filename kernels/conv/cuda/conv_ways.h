// The ways in which cuDNN can compute a call, with passes of our own around its graphs, and which of them is taken: the
// fastest, by time where all were timed, else by a model (conv_cost.h) that knows each plan's kind of kernels.
//
//   forward          add, bias and ReLU in the kernel, or in one pass behind it
//   data gradient    added to and masked in one pass behind the kernel, or in a kernel of an older kind
//   1x1 with stride  as it is, or without a stride on gathered pixels
//   bf16, sm_90 on   the whole batch, or parts of it one after the other, where the whole has no kernel for the
//                    architecture and parts have; on any device where the whole has no kernel at all
//
// What is taken hangs on the call, the device and cuDNN alone, not on what was called before: plans that were read from
// a file say of themselves what those asked for anew do.
#pragma once
#include <map>
#include <vector>

#include "kernels/conv/backend.h"
#include "kernels/conv/cuda/cudnn_plans.h"
#include "kernels/conv/cuda/padded_shape.h"
#include "kernels/device/device_rates.h"

namespace fovea::kernels {

struct ConvWay {
  PaddedShape form;      // of the whole batch
  cudnn::GraphKey key;   // likewise
  bool fused = false;    // all of the call is in the graph
  int parts = 1;         // of the batch
  double passes = 0;     // seconds of our own passes
  double modeled = 0;    // seconds, all of it
  double timed = 0;      // likewise, by the times of its graphs; 0: not timed
  bool possible = true;  // false: a graph has no plan

  cudnn::GraphKey part_key(int part) const;
  PaddedShape part_form(int part) const;
};

class ConvWays {
 public:
  ConvWays(cudnn::Plans& plans, const DeviceRates& rates, const ConvPreference& preference = {})
      : plans_(plans), rates_(rates), preference_(preference) {}

  // `call`: the shape as it is given, and of a forward pass what goes with it; of a gradient, `add`: it accumulates,
  // `relu`: it is masked. The way's plans are built. Throws Error(Runtime) where cuDNN has no engine. Valid until the
  // next call.
  const ConvWay& choose(Queue& queue, const cudnn::GraphKey& call);

  // Seconds that no way can be faster than, without asking cuDNN; 0 where its ways were timed.
  double least(const cudnn::GraphKey& call);

  // For tables, without building: the way that is taken, or all that there are with that one first.
  ConvWay best(const cudnn::GraphKey& call) { return evaluated(call, /*all=*/false).front(); }
  std::vector<ConvWay> all(const cudnn::GraphKey& call) { return evaluated(call, /*all=*/true); }

 private:
  std::vector<ConvWay> known(const cudnn::GraphKey& call) const;
  bool were_timed(const std::vector<ConvWay>& ways) const;
  std::vector<ConvWay> evaluated(const cudnn::GraphKey& call, bool all);
  bool may_split(const ConvWay& whole, const cudnn::GraphKey& call);
  ConvWay split(const ConvWay& whole);
  void evaluate(ConvWay& way, const cudnn::GraphKey& call);
  bool is_native(const ConvWay& way);
  double model(const ConvWay& way, const cudnn::GraphKey& call, bool older) const;
  bool build(Queue& queue, const ConvWay& way);

  struct Chosen {
    ConvWay way;
    bool timed = false;
  };
  cudnn::Plans& plans_;
  DeviceRates rates_;
  ConvPreference preference_;
  std::map<cudnn::GraphKey, Chosen> chosen_;
  std::map<cudnn::GraphKey, double> least_;
};

}  // namespace fovea::kernels
