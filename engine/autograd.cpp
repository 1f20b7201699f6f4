#include "engine/autograd.h"

#include "kernels/activation.h"
#include "kernels/traffic.h"

namespace fovea {

namespace {
void add_into(Queue& queue, const Tensor& x, const Tensor& y) {
  dispatch(y.dtype(), [&]<class T> {
    kernels::traffic::declare(queue, kernels::traffic::add<T>(y.count()));
    kernels::add_into(queue, y.count(), x.data<T>(), y.data<T>());
  });
}
}  // namespace

Tensor Gradients::of(const Tensor& y) const {
  const auto found = entries_.find(y.id());
  return found == entries_.end() ? Tensor() : found->second.gradient;
}

GradientSlot Gradients::into(const Tensor& x) {
  Entry& entry = entries_[x.id()];
  if (!entry.gradient) entry.gradient = context_.empty(x.shape(), x.dtype());
  const bool accumulate = entry.written;
  entry.written = true;
  entry.masked = false;
  return {entry.gradient, accumulate};
}

void Gradients::give(const Tensor& x, const Tensor& gradient) {
  Entry& entry = entries_[x.id()];
  if (!entry.gradient) {
    entry.gradient = gradient;
  } else if (entry.written) {
    add_into(context_.queue, gradient, entry.gradient);
  } else {
    context_.queue.copy(entry.gradient.raw(), gradient.raw(), gradient.bytes());
  }
  entry.written = true;
  entry.masked = false;
}

void Gradients::add_bias_sums(const Tensor& bias, const Tensor& sums, int64_t rows) {
  if (pending_.empty() || pending_.back().bias.id() != bias.id() || pending_.back().levels.size() == kMaxLevels)
    pending_.push_back({bias, {}});
  pending_.back().levels.emplace_back(sums, rows);
}

void Gradients::fold_bias_sums() {
  for (const PendingSums& pending : pending_) {
    const GradientSlot slot = into(pending.bias);
    std::vector<kernels::BiasSums> levels;
    for (const auto& [sums, rows] : pending.levels)
      levels.push_back({reinterpret_cast<const double*>(sums.data<uint8_t>()), rows});
    kernels::fold_bias_sums(context_.queue, levels, pending.bias.count(), slot.gradient.data<float>(), slot.accumulate);
  }
  pending_.clear();
}

void Gradients::set_masked(const Tensor& y) { entries_[y.id()].masked = true; }

bool Gradients::is_masked(const Tensor& y) const {
  const auto found = entries_.find(y.id());
  return found != entries_.end() && found->second.masked;
}

void Gradients::bind(const Tensor& x, const Tensor& gradient, bool accumulate) {
  entries_[x.id()] = Entry{gradient, accumulate, true};
}

void Gradients::zero_unwritten() {
  for (auto& [id, entry] : entries_)
    if (entry.bound && !entry.written) context_.queue.fill_zero(entry.gradient.raw(), entry.gradient.bytes());
}

void Gradients::zero_unwritten(const float* begin, const float* end) {
  for (auto& [id, entry] : entries_) {
    if (!entry.bound || entry.written || entry.gradient.raw() < begin || entry.gradient.raw() >= end) continue;
    context_.queue.fill_zero(entry.gradient.raw(), entry.gradient.bytes());
    entry.written = true;
  }
}

bool Tape::differentiates(std::initializer_list<const Tensor*> inputs) const {
  if (!training_) return false;
  for (const Tensor* input : inputs)
    if (input->requires_gradient()) return true;
  return false;
}

void Tape::record(const char* name, const Tensor& output, std::function<void(Gradients&)> backward) {
  output.set_requires_gradient(true);
  records_.push_back({name, output, std::move(backward), {}});
}

void Tape::offer_mask(const ReluMask& mask) { offered_[mask.output.id()] = mask; }

ReluMask Tape::take_mask(const Tensor& x) {
  const auto found = offered_.find(x.id());
  if (found == offered_.end()) return {};
  ReluMask mask = std::move(found->second);
  offered_.erase(found);
  return mask;
}

void Tape::mark(const char* part) {
  require(!queue().forked(), "a mark inside fork()");
  if (training_) records_.push_back({part, {}, {}, {}});
}

void Tape::fork(int branches, const std::function<void(int)>& body) {
  std::vector<std::vector<Record>> recorded(static_cast<size_t>(branches));
  queue().fork(branches, [&](int branch) {
    std::swap(records_, recorded[static_cast<size_t>(branch)]);
    body(branch);
    std::swap(records_, recorded[static_cast<size_t>(branch)]);
  });
  if (training_) records_.push_back({"fork", {}, {}, std::move(recorded)});
}

void Tape::backward() {
  offered_.clear();
  run_back(records_);
  gradients_.fold_bias_sums();
  gradients_.zero_unwritten();
}

void Tape::run_back(std::vector<Record>& records) {
  while (!records.empty()) {
    Record record = std::move(records.back());
    records.pop_back();
    if (!record.branches.empty()) {
      queue().fork(static_cast<int>(record.branches.size()),
                   [&](int branch) { run_back(record.branches[static_cast<size_t>(branch)]); });
    } else if (!record.backward) {
      gradients_.fold_bias_sums();
      if (passed_) passed_(record.name);
    } else {
      if (gradients_.of(record.output)) record.backward(gradients_);
      gradients_.entries_.erase(record.output.id());
    }
  }
}

}  // namespace fovea
