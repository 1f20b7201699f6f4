// Python over the C API (tools/api/fovea.h): what every part of the module needs.
#pragma once
#include <nanobind/nanobind.h>

#include <cstring>

#include <fovea/fovea.h>

#include "python/src/gil.h"

namespace fovea::python {

namespace nb = nanobind;

// The exception of fovea.errors for this status, with the thread's message. Needs the GIL.
[[noreturn]] void raise(fovea_status status);

inline void check(fovea_status status) {
  if (status != FOVEA_OK) raise(status);
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
void add_end_of_interpreter();

}  // namespace fovea::python
