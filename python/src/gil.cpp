#include "python/src/gil.h"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <new>

#include "python/src/module.h"

namespace fovea::python {

namespace {

// Never destroyed: threads may use it while the process ends.
alignas(Calls) std::byte memory[sizeof(Calls)];

Calls* made() {
  // A process made by fork() has only the thread that forked, which holds the GIL and so is in no call.
  pthread_atfork(nullptr, nullptr, [] { new (memory) Calls; });
  return new (memory) Calls;
}

}  // namespace

void stay() {
  for (;;) pause();
}

Calls& Calls::all() {
  static Calls* const calls = made();
  return *calls;
}

void Calls::stay_if_late(std::unique_lock<std::mutex>& lock) {
  if (!is_late()) return;
  lock.unlock();
  stay();
}

void Calls::begin() {
  std::unique_lock lock(mutex_);
  stay_if_late(lock);
  ++running_;
}

void Calls::end() {
  std::unique_lock lock(mutex_);
  --running_;
  changed_.notify_all();
  stay_if_late(lock);
}

bool Calls::should_end() {
  const std::lock_guard lock(mutex_);
  return is_late();
}

void Calls::wait_for_all() {
  constexpr std::chrono::milliseconds between_signals(100);
  for (bool quiet = false; !quiet;) {
    PyThreadState* const thread = PyEval_SaveThread();
    {
      std::unique_lock lock(mutex_);
      ending_ = true;
      ender_ = std::this_thread::get_id();
      quiet = changed_.wait_for(lock, between_signals, [this] { return running_ == 0; });
    }
    PyEval_RestoreThread(thread);
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
}

bool should_end(std::optional<nb::python_error>& fault) {
  if (fault || Calls::all().should_end()) return true;
  if (PyErr_CheckSignals() == 0) return false;
  fault.emplace();
  return true;
}

void add_end_of_interpreter() {
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] { Calls::all().wait_for_all(); }));
}

}  // namespace fovea::python
