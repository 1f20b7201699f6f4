// Reverse-mode differentiation over an eager tape. An op runs forward and records its backward beside it
// (engine/ops.cpp). backward() runs the records last to first; a record, what it saved and the gradient of its output
// are freed as soon as it has run.
#pragma once
#include <functional>
#include <unordered_map>
#include <vector>

#include "engine/context.h"
#include "engine/tensor.h"

namespace fovea {

// Where an op puts a gradient: the first writer of a step overwrites, later ones add.
struct GradientSlot {
  Tensor gradient;
  bool accumulate = false;
};

class Gradients {
 public:
  explicit Gradients(Context& context) : context_(context) {}

  Context& context() { return context_; }
  // The gradient of an op's output; no tensor when nothing depended on it.
  Tensor of(const Tensor& y) const;
  // Where to write the gradient of x, in x's dtype (a bound gradient: in its own).
  GradientSlot into(const Tensor& x);
  // Hands over a gradient that is already computed (its memory may be reused): becomes x's gradient, or is added to it.
  void give(const Tensor& x, const Tensor& gradient);
  // From now on the gradient of x (a parameter) is this tensor. `accumulate`: the next write adds to what is there.
  void bind(const Tensor& x, const Tensor& gradient, bool accumulate);
  // What was written last to the gradient of y, the output of a ReLU, is zero where y is: until the next write.
  void set_masked(const Tensor& y);
  bool is_masked(const Tensor& y) const;
  // Sums that the gradient of a bias gets at the latest when the next mark, or the end, is reached: those of the levels
  // of a head in one launch. `sums`: of kernels::relu_bias_backward() over a tensor of `rows`.
  void add_bias_sums(const Tensor& bias, const Tensor& sums, int64_t rows);
  // Zeroes the bound gradients that nothing wrote to: all, or those within [begin, end).
  void zero_unwritten();
  void zero_unwritten(const float* begin, const float* end);

 private:
  friend class Tape;
  struct Entry {
    Tensor gradient;
    bool written = false, bound = false, masked = false;
  };
  void fold_bias_sums();

  struct PendingSums {
    Tensor bias;
    std::vector<std::pair<Tensor, int64_t>> levels;  // sums, rows
  };
  Context& context_;
  std::unordered_map<const void*, Entry> entries_;
  std::vector<PendingSums> pending_;  // in the order of their layers
};

// How a ReLU's output masks its gradient: by what it is, or by one bit an element where its kernel wrote these
// (kernels::ConvForward::relu_bits).
struct ReluMask {
  Tensor output, bits;  // bits: none where nothing wrote any
};

class Tape {
 public:
  // `training`: batch norm uses batch statistics, and ops record their backward. Otherwise nothing is kept.
  Tape(Context& context, bool training) : context_(context), gradients_(context), training_(training) {}

  Context& context() { return context_; }
  Queue& queue() { return context_.queue; }
  bool training() const { return training_; }
  Gradients& gradients() { return gradients_; }

  // Whether an op over these inputs must record its backward.
  bool differentiates(std::initializer_list<const Tensor*> inputs) const;
  // `backward` runs when `output` has a gradient. Marks the output as one that requires a gradient.
  void record(const char* name, const Tensor& output, std::function<void(Gradients&)> backward);
  // Offers the mask of a ReLU to whoever writes its output's gradient last, since that one can mask on the way; who has
  // taken it says so by Gradients::set_masked(). The first to ask for the mask of x is the first that uses x, so the
  // last to write its gradient; others get none.
  void offer_mask(const ReluMask& mask);
  ReluMask take_mask(const Tensor& x);
  // Between two parts of a network: when backward gets here, the gradients of what was recorded after it are final, and
  // the callback of on_mark, if there is one, is called. `part`: what the names of the first
  // of those parameters begin with.
  void mark(const char* part);
  // body(0) … body(branches − 1) as Queue::fork() runs them, and their backward likewise. No two branches write the
  // gradient of one tensor; there is no mark in them.
  void fork(int branches, const std::function<void(int branch)>& body);
  void on_mark(std::function<void(const char* part)> passed) { passed_ = std::move(passed); }
  // Runs backward from the gradients given so far. The tape is empty afterwards.
  void backward();

 private:
  struct Record {
    const char* name;
    Tensor output;
    std::function<void(Gradients&)> backward;   // none: a mark, or a fork
    std::vector<std::vector<Record>> branches;  // of a fork
  };
  void run_back(std::vector<Record>& records);

  Context& context_;
  Gradients gradients_;
  std::vector<Record> records_;
  std::unordered_map<const void*, ReluMask> offered_;  // by output
  std::function<void(const char* part)> passed_;
  bool training_;
};

}  // namespace fovea
