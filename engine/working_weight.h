// A convolution's weights and bias in the form that convolutions take: activations' dtype, a batch norm that stands
// still folded in; in bf16 on a GPU with zeros behind them, up to the channels that tensor cores take.
#pragma once
#include <cstdint>
#include <optional>

#include "engine/context.h"
#include "engine/tensor.h"
#include "kernels/batch_norm.h"
#include "kernels/optimizer.h"

namespace fovea {

struct Parameter;

// The batch norm behind a convolution: w' = w·s, b' = shift + (b − mean)·s, s = scale / sqrt(variance + epsilon).
struct FoldableNorm {
  const Parameter *scale, *shift, *mean, *variance;
  float epsilon;
};

// Made from the fp32 weights by prepare(); while training goes on the optimizer's step writes it with these in one
// pass, which saves reading them again. In fp32, where nothing is folded, it is the weights themselves.
class WorkingWeight {
 public:
  // folds_in_training: the norm's statistics and parameters stand still in training too.
  // `own_bias`: the convolution's, or nullptr.
  WorkingWeight(const Parameter& weight, const Parameter* own_bias, const std::optional<FoldableNorm>& norm,
                bool folds_in_training)
      : weight_(&weight), own_bias_(own_bias), norm_(norm), folds_in_training_(folds_in_training) {}

  // Makes the form with the norm folded, or without, unless it is there for this revision of the parameters.
  void prepare(Context& context, uint64_t revision, bool folded);
  void prepare_for_training(Context& context, uint64_t revision) { prepare(context, revision, folds_in_training_); }

  const Tensor& value() const { return value_; }
  int rows() const { return rows_; }                            // of output channels, with the zeros behind them
  const Tensor& rounded_bias() const { return rounded_bias_; }  // in the dtype of value(), where a GPU takes it so
  const Tensor& bias() const { return bias_; }                  // b', where the norm is folded
  const kernels::BatchNormFold& fold() const { return fold_; }  // likewise
  const uint64_t* version() const { return &version_; }         // changes when the value does; read by queued work

  // Has the optimizer's step write the form for training too; nothing where that is the weights themselves.
  void write_with(Context& context, kernels::ParamSegment& segment);
  void write_bias_with(Context& context, kernels::ParamSegment& segment);  // the same for the convolution's own bias
  // The step has changed the parameters, and this form where it is the one for training.
  void stepped(uint64_t from, uint64_t to);
  void new_version() { ++version_; }  // in the queue
  // After the step that changed it: b' of the convolution's own bias, where the norm is folded in training.
  void fold_bias(Context& context);

 private:
  void allocate(Context& context);

  const Parameter *weight_, *own_bias_;
  std::optional<FoldableNorm> norm_;
  bool folds_in_training_;

  Tensor own_;  // room for the form where it is not the weights themselves, a view of all its rows
  Tensor rounded_bias_;
  int rows_ = 0;
  Tensor bias_, scale_;  // of the folded norm
  kernels::BatchNormFold fold_;
  Tensor value_;
  uint64_t version_ = 0, revision_ = 0;
  bool folded_ = false;
};

}  // namespace fovea
