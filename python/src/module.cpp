#include "python/src/module.h"

#include <nanobind/stl/string.h>

#include <string>

namespace fovea::python {

void raise(fovea_status status) {
  const std::string message = fovea_error_message();
  const nb::object error = nb::module_::import_("fovea.errors").attr("of_status")(status, message);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

}  // namespace fovea::python

NB_MODULE(_fovea, module) {
  fovea::python::nb::set_leak_warnings(false);  // daemon threads keep what they have until the process ends
  module.doc() = "Python over Fovea's C API; what users call is in the package around it.";
  module.attr("version") = fovea_version();
  fovea::python::add_end_of_interpreter();
  fovea::python::add_detection(module);
  fovea::python::add_training(module);
  fovea::python::add_evaluation(module);
  fovea::python::add_columns(module);
  fovea::python::add_copies(module);
}
