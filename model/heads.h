// The two heads over the pyramid: what runs beside what on a GPU is decided here.
#pragma once
#include <vector>

#include "model/head.h"
#include "model/outputs.h"

namespace fovea {

class Heads {
 public:
  Heads(ParameterStore& store, const ModelConfig& config);

  Outputs forward(Tape& tape, const std::vector<Tensor>& pyramid);

  const Head& classes() const { return classes_; }
  const Head& boxes() const { return boxes_; }

 private:
  Outputs levels_side_by_side(Tape& tape, const std::vector<Tensor>& pyramid);
  Outputs heads_side_by_side(Tape& tape, const std::vector<Tensor>& pyramid);
  bool share_nothing(const Context& context) const;

  Norm norm_;
  Head classes_, boxes_;
};

}  // namespace fovea
