// Calls without the GIL, and where they are when the interpreter ends.
#pragma once
#include <cxxabi.h>
#include <nanobind/nanobind.h>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <thread>

namespace fovea::python {

// What runs without the GIL. A daemon thread may be there when the interpreter ends. The end waits for it, since it
// uses what the end of the process destroys; and from then on such a thread begins nothing and does not come back.
class Calls {
 public:
  static Calls& all();

  void begin();
  void end();

  // Whether the interpreter's end waits for the calling thread, which should then end its call.
  bool should_end();

  // With the GIL, at the interpreter's end. Throws on Ctrl-C.
  void wait_for_all();

 private:
  bool is_late() const { return ending_ && std::this_thread::get_id() != ender_; }
  void stay_if_late(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t running_ = 0;
  bool ending_ = false;
  std::thread::id ender_;  // which may go on: other functions for the end may call
};

// Stays until there is no process.
[[noreturn]] void stay();

// Calls a function of Python's that takes the GIL. Where the interpreter is ending meanwhile, Python up to 3.13 ends
// the thread there, by unwinding its stack; C++ functions above would end the process for that.
template <class Take>
auto take_gil(const Take& take) {
  try {
    return take();
  } catch (const abi::__forced_unwind&) {
    stay();
  }
}

// While one lives, other threads of Python's run.
class GilReleased {
 public:
  GilReleased() : thread_(PyEval_SaveThread()) { Calls::all().begin(); }
  ~GilReleased() {
    Calls::all().end();
    take_gil([this] { PyEval_RestoreThread(thread_); });
  }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

 private:
  PyThreadState* thread_;
};

// The value of a call that takes its time and needs nothing of Python's.
template <class Call>
auto without_gil(const Call& call) {
  const GilReleased released;
  return call();
}

// Within such a call, while it asks Python.
class GilTaken {
 public:
  GilTaken() : state_(take_gil(PyGILState_Ensure)) {}
  ~GilTaken() { PyGILState_Release(state_); }
  GilTaken(const GilTaken&) = delete;
  GilTaken& operator=(const GilTaken&) = delete;

 private:
  PyGILState_STATE state_;
};

// With the GIL: whether such a call should end, for the interpreter's end or because a handler of signals raised, as
// that of Ctrl-C does. What it raised is `fault` then.
bool should_end(std::optional<nanobind::python_error>& fault);

}  // namespace fovea::python
