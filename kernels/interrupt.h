// A request to stop, and the work that heeds it. A signal handler, or another thread, sets the request; long work asks
// for it where it can end without loss. The request is the program's, or that of some work alone: a library's caller
// may stop a training and go on.
#pragma once
#include <atomic>
#include <utility>

#include "kernels/error.h"

namespace fovea {

using StopFlag = std::atomic<bool>;
inline StopFlag stop_requested = false;  // the program's
static_assert(StopFlag::is_always_lock_free, "a signal handler sets it");

// As long as this lives, what this thread does asks this flag, and not the program's.
class StoppedBy {
 public:
  explicit StoppedBy(StopFlag& flag) : before_(std::exchange(current(), &flag)) {}
  ~StoppedBy() { current() = before_; }
  StoppedBy(const StoppedBy&) = delete;
  StoppedBy& operator=(const StoppedBy&) = delete;

  static StopFlag*& current() {
    thread_local StopFlag* flag = &stop_requested;
    return flag;
  }

 private:
  StopFlag* before_;
};

// Of what this thread does.
inline bool stop_is_requested() { return StoppedBy::current()->load(std::memory_order_relaxed); }
inline void request_stop() { *StoppedBy::current() = true; }

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
  if (Interruptible::current() && stop_is_requested()) throw Error(ErrorKind::Interrupted, "interrupted");
}

}  // namespace fovea
