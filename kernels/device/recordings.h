// The recordings of repeated work (engine/repeated_work.h) of one queue, kept as long as there is memory for them.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/device/queue.h"

namespace fovea {

class Recordings {
 public:
  using Held = std::shared_ptr<std::optional<Recording>>;  // empty once it was given up

  explicit Recordings(Queue& queue) : queue_(queue) {}  // made by the queue

  void add(const Held& recording);
  // There is too little memory: those that are there are freed, and none should be made from now on; all work may have
  // what was theirs. Not while the queue records.
  void give_up();
  bool given_up() const { return given_up_; }
  // Called at the first give_up().
  void set_notice(std::function<void()> notice) { notice_ = std::move(notice); }

 private:
  Queue& queue_;
  std::vector<std::weak_ptr<std::optional<Recording>>> held_;
  std::function<void()> notice_;
  bool given_up_ = false;
};

}  // namespace fovea
