// Python over the C API (tools/api/fovea.h): what every part of the module needs.
#pragma once
#include <cxxabi.h>
#include <nanobind/nanobind.h>
#include <unistd.h>

#include <cstring>

#include <fovea/fovea.h>

namespace fovea::python {

namespace nb = nanobind;

// The exception of fovea.errors for this status, with the thread's message. Needs the GIL.
[[noreturn]] void raise(fovea_status status);

inline void check(fovea_status status) {
  if (status != FOVEA_OK) raise(status);
}

// Calls a function of Python's that takes the GIL. Where the interpreter is ending meanwhile, Python up to 3.13 ends
// the thread there, as a daemon thread may be, by unwinding its stack; C++ functions above would end the process for
// that. So the thread stays here as long as there is a process.
template <class Take>
auto take_gil(const Take& take) {
  try {
    return take();
  } catch (const abi::__forced_unwind&) {
    for (;;) pause();
  }
}

// A call of the C API that takes its time; it throws nothing.
template <class Call>
fovea_status without_gil(const Call& call) {
  PyThreadState* const thread = PyEval_SaveThread();
  const fovea_status status = call();
  take_gil([&] { PyEval_RestoreThread(thread); });
  return status;
}

// Of text that should be UTF-8.
inline nb::str text_of(const char* utf8) {
  return nb::steal<nb::str>(PyUnicode_DecodeUTF8(utf8, static_cast<Py_ssize_t>(strlen(utf8)), "replace"));
}

void add_detection(nb::module_& module);
void add_training(nb::module_& module);
void add_evaluation(nb::module_& module);
void add_columns(nb::module_& module);
void add_copies(nb::module_& module);

}  // namespace fovea::python
