// A request to stop, and the work that heeds it. A signal handler, or another thread, sets the request; long work asks
// for it where it can end without loss.
#pragma once
#include <atomic>
#include <utility>

#include "kernels/error.h"

namespace fovea {

inline std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

// As long as this lives, what this thread does may end in the middle (true), or may not (false): a step of training up
// to the optimizer, which changes the weights. By default it may not.
class Interruptible {
 public:
  explicit Interruptible(bool may_end = true) : before_(std::exchange(current(), may_end)) {}
  ~Interruptible() { current() = before_; }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

  static bool& current() {
    thread_local bool may_end = false;
    return may_end;
  }

 private:
  bool before_;
};

// Throws ErrorKind::Interrupted where a stop is requested and this thread's work may end.
inline void end_if_requested() {
  if (stop_requested.load(std::memory_order_relaxed) && Interruptible::current())
    throw Error(ErrorKind::Interrupted, "interrupted");
}

}  // namespace fovea
