// Columns of COCO's dicts: a list of annotations or results, as Python programs have them, read in one pass; and which
// of them are of unknown images.
#include <nanobind/ndarray.h>

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "python/src/module.h"

namespace fovea::python {

namespace {

// What the pass cannot take, as ids that are words; columns_of_dicts() in _columns.py has Python's ways, and words for
// errors.
struct Unusual {};

double number(PyObject* value) {
  if (!PyFloat_Check(value) && !PyLong_Check(value)) throw Unusual();
  const double converted = PyFloat_AsDouble(value);
  if (converted == -1 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw Unusual();
  }
  return converted;
}

int64_t integer(PyObject* value) {
  if (!PyLong_CheckExact(value)) throw Unusual();
  const long long converted = PyLong_AsLongLong(value);
  if (converted == -1 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw Unusual();
  }
  return converted;
}

// A key of all entries: its column, empty where none has it.
template <class T>
class Column {
 public:
  Column(const char* key, T (*convert)(PyObject*))
      : key_(nb::steal(PyUnicode_InternFromString(key))), convert_(convert) {}

  // False where the entry has none.
  bool add(PyObject* entry) {
    PyObject* value = PyDict_GetItemWithError(entry, key_.ptr());
    if (value == nullptr || value == Py_None) return false;
    values_->push_back(convert_(value));
    return true;
  }
  void need(PyObject* entry) {
    if (!add(entry)) throw Unusual();
  }
  void reserve(size_t count) { values_->reserve(count); }

  nb::object array(size_t count) const {
    if (values_->empty() && count > 0) return nb::none();
    if (values_->size() != count) throw Unusual();
    const nb::capsule keep(new std::shared_ptr<std::vector<T>>(values_),
                           [](void* kept) noexcept { delete static_cast<std::shared_ptr<std::vector<T>>*>(kept); });
    return nb::cast(nb::ndarray<nb::array_api, T>(values_->data(), {count}, keep));
  }

 private:
  nb::object key_;
  T (*convert_)(PyObject*);
  std::shared_ptr<std::vector<T>> values_ = std::make_shared<std::vector<T>>();
};

class BoxColumn {
 public:
  void need(PyObject* entry) {
    PyObject* box = PyDict_GetItemWithError(entry, key_.ptr());
    if (box == nullptr || !(PyList_Check(box) ? PyList_Size(box) == 4 : PyTuple_Check(box) && PyTuple_Size(box) == 4))
      throw Unusual();
    std::array<double, 4> sides{};
    for (Py_ssize_t i = 0; i < 4; ++i)
      sides[static_cast<size_t>(i)] = number(PyList_Check(box) ? PyList_GetItem(box, i) : PyTuple_GetItem(box, i));
    boxes_->push_back(sides);
  }
  void reserve(size_t count) { boxes_->reserve(count); }

  nb::object array() const {
    using Boxes = std::shared_ptr<std::vector<std::array<double, 4>>>;
    const nb::capsule keep(new Boxes(boxes_), [](void* kept) noexcept { delete static_cast<Boxes*>(kept); });
    return nb::cast(nb::ndarray<nb::array_api, double>(boxes_->data(), {boxes_->size(), 4}, keep));
  }

 private:
  nb::object key_ = nb::steal(PyUnicode_InternFromString("bbox"));
  std::shared_ptr<std::vector<std::array<double, 4>>> boxes_ = std::make_shared<std::vector<std::array<double, 4>>>();
};

uint8_t flag(PyObject* value) { return number(value) != 0 ? 1 : 0; }

// (image_ids, category_ids, boxes, scores, areas, crowds, ids), None for what no entry has; None for all where an entry
// is unusual. `scored`: of results, which have scores and no crowds. `bare`: without areas and ids.
nb::object columns_of_dicts(const nb::list& entries, bool scored, bool bare) {
  Column<int64_t> images("image_id", integer), categories("category_id", integer), ids("id", integer);
  Column<double> scores("score", number), areas("area", number);
  Column<uint8_t> crowds("iscrowd", flag);
  BoxColumn boxes;
  const size_t count = entries.size();
  images.reserve(count);
  categories.reserve(count);
  boxes.reserve(count);
  if (scored) scores.reserve(count);
  try {
    for (size_t i = 0; i < count; ++i) {
      PyObject* entry = PyList_GetItem(entries.ptr(), static_cast<Py_ssize_t>(i));
      if (entry == nullptr) throw nb::python_error();
      if (!PyDict_Check(entry)) throw Unusual();
      images.need(entry);
      categories.need(entry);
      boxes.need(entry);
      if (scored)
        scores.need(entry);
      else
        crowds.add(entry);
      if (bare) continue;
      areas.add(entry);
      ids.add(entry);
    }
    const auto optional = [&](const auto& column, bool there) { return there ? column.array(count) : nb::none(); };
    return nb::make_tuple(images.array(count), categories.array(count), boxes.array(), optional(scores, scored),
                          optional(areas, !bare), optional(crowds, !scored), optional(ids, !bare));
  } catch (const Unusual&) {
    return nb::none();
  }
}

using Ids = nb::ndarray<const int64_t, nb::ndim<1>, nb::device::cpu, nb::ro>;

// Where the first of `ids` stands that is none of `known`; -1: there is none.
int64_t first_unknown(const Ids& ids, const Ids& known) {
  std::unordered_set<int64_t> all;
  for (size_t i = 0; i < known.shape(0); ++i) all.insert(known(i));
  for (size_t i = 0; i < ids.shape(0); ++i) {
    if (i > 0 && ids(i) == ids(i - 1)) continue;  // results come image by image
    if (!all.contains(ids(i))) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace

void add_columns(nb::module_& module) {
  module.def("columns_of_dicts", &columns_of_dicts, nb::arg("entries"), nb::arg("scored"), nb::arg("bare") = false);
  module.def("first_unknown", &first_unknown, nb::arg("ids"), nb::arg("known"));
}

}  // namespace fovea::python
