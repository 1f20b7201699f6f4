// Evaluation: files and arrays as columns, and what comes of them.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "python/src/module.h"

namespace fovea::python {

namespace {

struct Free {
  void operator()(fovea_annotations* annotations) const noexcept {
    static_cast<void>(fovea_annotations_free(annotations));
  }
  void operator()(fovea_evaluation* evaluation) const noexcept { static_cast<void>(fovea_evaluation_free(evaluation)); }
  void operator()(const fovea_matches* matches) const noexcept { fovea_matches_free(matches); }
};

template <class T>
using Column = nb::ndarray<const T, nb::ndim<1>, nb::device::cpu, nb::ro>;
using Boxes = nb::ndarray<const double, nb::ndim<2>, nb::device::cpu, nb::ro>;

// A view of memory that `owner` keeps alive; strides in bytes.
template <class T, class Owner>
auto view(const T* data, std::vector<size_t> shape, std::vector<ptrdiff_t> strides,
          const std::shared_ptr<Owner>& owner) {
  const nb::capsule keep(new std::shared_ptr<Owner>(owner),
                         [](void* kept) noexcept { delete static_cast<std::shared_ptr<Owner>*>(kept); });
  std::vector<int64_t> steps;
  for (const ptrdiff_t stride : strides) steps.push_back(stride / static_cast<ptrdiff_t>(sizeof(T)));
  return nb::ndarray<nb::array_api, const T, nb::ro>(const_cast<T*>(data), shape.size(), shape.data(), keep,
                                                     steps.empty() ? nullptr : steps.data());
}

// The boxes of a file.
class Annotations {
 public:
  explicit Annotations(fovea_annotations* made) : annotations_(made, Free()) {
    fovea_box_table_init(&table_);
    check(fovea_annotations_get_table(made, &table_));
  }

  const fovea_box_table& table() const { return table_; }
  bool are_results() const { return fovea_annotations_are_results(annotations_.get()) != 0; }

  auto image_ids() const { return column(table_.image_ids, table_.image_stride); }
  auto category_ids() const { return column(table_.category_ids, table_.category_stride); }
  auto boxes() const {
    const ptrdiff_t stride = table_.box_stride == 0 ? ptrdiff_t{4 * sizeof(double)} : table_.box_stride;
    return view(table_.boxes, {table_.count, 4}, {stride, sizeof(double)}, annotations_);
  }
  auto scores() const { return optional_column(table_.scores, table_.score_stride); }
  auto areas() const { return optional_column(table_.areas, table_.area_stride); }
  auto crowds() const { return optional_column(table_.crowds, table_.crowd_stride); }
  auto ids() const { return optional_column(table_.ids, table_.id_stride); }

  // (ids, widths, heights, names)
  nb::tuple images() const {
    const fovea_id_list list = list_of(fovea_annotations_get_images);
    return nb::make_tuple(view(list.ids, {list.count}, {}, annotations_),
                          view(list.widths, {list.count}, {}, annotations_),
                          view(list.heights, {list.count}, {}, annotations_), names(list));
  }
  // (ids, names)
  nb::tuple categories() const {
    const fovea_id_list list = list_of(fovea_annotations_get_categories);
    return nb::make_tuple(view(list.ids, {list.count}, {}, annotations_), names(list));
  }

 private:
  template <class T>
  nb::ndarray<nb::array_api, const T, nb::ro> column(const T* data, ptrdiff_t stride) const {
    return view(data, {table_.count}, {stride == 0 ? ptrdiff_t{sizeof(T)} : stride}, annotations_);
  }
  template <class T>
  std::optional<nb::ndarray<nb::array_api, const T, nb::ro>> optional_column(const T* data, ptrdiff_t stride) const {
    if (data == nullptr) return std::nullopt;
    return column(data, stride);
  }
  template <class Get>
  fovea_id_list list_of(Get* get) const {
    fovea_id_list list;
    fovea_id_list_init(&list);
    check(get(annotations_.get(), &list));
    return list;
  }
  static nb::list names(const fovea_id_list& list) {
    nb::list names;
    for (size_t i = 0; i < list.count; ++i) names.append(text_of(list.names[i]));
    return names;
  }

  std::shared_ptr<fovea_annotations> annotations_;
  fovea_box_table table_{};
};

// Of a str, bytes or os.PathLike.
nb::bytes path_of(const nb::object& path) {
  PyObject* bytes = nullptr;
  if (PyUnicode_FSConverter(path.ptr(), &bytes) == 0) throw nb::python_error();
  return nb::steal<nb::bytes>(bytes);
}

Annotations read_annotations(const nb::object& file, int32_t threads) {
  const nb::bytes path = path_of(file);
  fovea_annotations* made = nullptr;
  check(without_gil([&] { return fovea_annotations_read(path.c_str(), FOVEA_ANNOTATIONS_ANY, threads, &made); }));
  return Annotations(made);
}

std::pair<Annotations, Annotations> read_both(const nb::object& truth_file, const nb::object& results_file,
                                              int32_t threads) {
  const nb::bytes truth = path_of(truth_file), results = path_of(results_file);
  fovea_annotations *of_truth = nullptr, *of_results = nullptr;
  check(without_gil(
      [&] { return fovea_annotations_read_both(truth.c_str(), results.c_str(), threads, &of_truth, &of_results); }));
  return {Annotations(of_truth), Annotations(of_results)};
}

// A table of Python's arrays, and what keeps their memory.
struct Table {
  fovea_box_table table{};
  std::vector<nb::object> kept;

  explicit Table(const nb::object& columns) {
    fovea_box_table_init(&table);
    if (nb::isinstance<Annotations>(columns)) {
      table = nb::cast<const Annotations&>(columns).table();
      kept.push_back(columns);
      return;
    }
    const auto ids = array<Column<int64_t>>(columns, "image_ids");
    if (!ids) throw nb::value_error("image_ids is missing");
    table.count = ids->shape(0);
    take(table.image_ids, table.image_stride, *ids);
    fill(columns, "category_ids", table.category_ids, table.category_stride);
    fill(columns, "scores", table.scores, table.score_stride);
    fill(columns, "areas", table.areas, table.area_stride);
    fill(columns, "crowds", table.crowds, table.crowd_stride);
    fill(columns, "ids", table.ids, table.id_stride);
    if (const auto boxes = array<Boxes>(columns, "boxes")) {
      require(boxes->shape(0) == table.count && boxes->shape(1) == 4, "boxes has not four numbers for each image_id");
      require(table.count == 0 || boxes->stride(1) == 1, "the numbers of a box do not lie together");
      table.boxes = boxes->data();
      table.box_stride = boxes->stride(0) * static_cast<ptrdiff_t>(sizeof(double));
      kept.push_back(nb::cast(*boxes));
    }
  }

 private:
  static void require(bool is_so, const char* otherwise) {
    if (!is_so) throw nb::value_error(otherwise);
  }

  // None where it is missing; of other numbers a copy.
  template <class Array>
  static std::optional<Array> array(const nb::object& columns, const char* name) {
    nb::object found;
    if (nb::isinstance<nb::dict>(columns))
      found = columns.attr("get")(name);
    else
      found = nb::getattr(columns, name, nb::none());
    if (found.is_none()) return std::nullopt;
    return nb::cast<Array>(found);
  }

  template <class T>
  void take(const T*& data, ptrdiff_t& stride, const Column<T>& column) {
    data = column.data();
    stride = column.shape(0) > 1 ? column.stride(0) * static_cast<ptrdiff_t>(sizeof(T)) : 0;
    kept.push_back(nb::cast(column));
  }

  template <class T>
  void fill(const nb::object& columns, const char* name, const T*& data, ptrdiff_t& stride) {
    const auto column = array<Column<T>>(columns, name);
    if (!column) return;
    if (column->shape(0) != table.count)
      throw nb::value_error((std::string(name) + " has not one entry for each image_id").c_str());
    take(data, stride, *column);
  }
};

class Evaluation {
 public:
  Evaluation(fovea_evaluation* made, Table truth) : evaluation_(made, Free()), truth_(std::move(truth)) {}

  auto array(int32_t which) const {
    const double* values = nullptr;
    size_t shape[5]{};
    check(without_gil([&] { return fovea_evaluation_get_array(evaluation_.get(), which, &values, shape); }));
    const size_t dimensions = which == FOVEA_EVALUATION_RECALL ? 4 : 5;
    return view(values, {shape, shape + dimensions}, {}, evaluation_);
  }

  // Of the evaluated categories, in the order of the arrays.
  auto category_ids() const {
    const int64_t* ids = nullptr;
    size_t count = 0;
    check(fovea_evaluation_get_categories(evaluation_.get(), &ids, &count));
    return view(ids, {count}, {}, evaluation_);
  }

  std::vector<double> summary() const {
    std::vector<double> numbers(12);
    check(without_gil([&] { return fovea_evaluation_get_summary(evaluation_.get(), numbers.data()); }));
    return numbers;
  }
  std::vector<double> class_summary(size_t category) const {
    std::vector<double> numbers(12);
    check(fovea_evaluation_get_class_summary(evaluation_.get(), category, numbers.data()));
    return numbers;
  }

  // An entry of pycocotools' evalImgs; detections and objects by where they stand in their columns, a detection that an
  // object has found by one more than that, an object that a detection has found by its id.
  nb::object matches(size_t category, size_t area, size_t image) const {
    const fovea_matches* made = nullptr;
    check(fovea_evaluation_get_matches(evaluation_.get(), category, area, image, &made));
    if (made == nullptr) return nb::none();
    const std::shared_ptr<const fovea_matches> kept(made, Free());
    const size_t t = kept->ious, d = kept->detection_count, g = kept->object_count;
    auto object_ids = std::make_shared<std::vector<int64_t>>(t * d);
    auto numbers = std::make_shared<std::vector<int64_t>>(t * g);
    for (size_t i = 0; i < t * d; ++i) (*object_ids)[i] = kept->object_of[i] < 0 ? 0 : id_of(kept->object_of[i]);
    for (size_t i = 0; i < t * g; ++i) (*numbers)[i] = kept->detection_of[i] + 1;
    nb::dict entry;
    entry["dtIds"] = view(kept->detections, {d}, {}, kept);
    entry["gtIds"] = view(kept->objects, {g}, {}, kept);
    entry["dtMatches"] = view(std::as_const(*object_ids).data(), {t, d}, {}, object_ids);
    entry["gtMatches"] = view(std::as_const(*numbers).data(), {t, g}, {}, numbers);
    entry["dtScores"] = view(kept->scores, {d}, {}, kept);
    entry["dtIgnore"] = view(kept->detection_ignored, {t, d}, {}, kept);
    entry["gtIgnore"] = view(kept->object_ignored, {g}, {}, kept);
    return entry;
  }

 private:
  int64_t id_of(int64_t object) const {
    const fovea_box_table& table = truth_.table;
    if (table.ids == nullptr) return object + 1;
    const ptrdiff_t stride = table.id_stride == 0 ? ptrdiff_t{sizeof(int64_t)} : table.id_stride;
    int64_t id = 0;
    std::memcpy(&id, reinterpret_cast<const char*>(table.ids) + object * stride, sizeof(id));
    return id;
  }

  std::shared_ptr<fovea_evaluation> evaluation_;
  Table truth_;
};

nb::object evaluate(const nb::object& truth, const nb::object& detections,
                    const std::optional<Column<int64_t>>& image_ids, const std::optional<Column<int64_t>>& category_ids,
                    const std::optional<std::vector<double>>& ious, const std::optional<std::vector<double>>& recalls,
                    const std::optional<std::vector<std::pair<double, double>>>& areas,
                    const std::vector<int64_t>& max_detections, bool use_categories, int32_t threads) {
  Table objects(truth), found(detections);
  fovea_evaluate_options options;
  fovea_evaluate_options_init(&options);
  std::vector<double> flat_areas;
  if (image_ids) {
    options.image_ids = image_ids->data();
    options.image_count = image_ids->shape(0);
  }
  if (category_ids) {
    options.category_ids = category_ids->data();
    options.category_count = category_ids->shape(0);
  }
  if (ious) {
    options.ious = ious->data();
    options.iou_count = ious->size();
  }
  if (recalls) {
    options.recalls = recalls->data();
    options.recall_count = recalls->size();
  }
  if (areas) {
    for (const auto& [from, to] : *areas) flat_areas.insert(flat_areas.end(), {from, to});
    options.areas = flat_areas.data();
    options.area_count = areas->size();
  }
  options.max_detections = max_detections.data();
  options.max_detection_count = max_detections.size();
  options.one_category = use_categories ? 0 : 1;
  options.keep_tables = 1;
  options.threads = threads;
  fovea_evaluation* made = nullptr;
  check(without_gil([&] { return fovea_evaluate(&objects.table, &found.table, &options, &made); }));
  for (nb::object& kept : found.kept) objects.kept.push_back(std::move(kept));
  return nb::cast(Evaluation(made, std::move(objects)));
}

}  // namespace

void add_evaluation(nb::module_& module) {
  nb::class_<Annotations>(module, "Annotations")
      .def_prop_ro("is_results", &Annotations::are_results, nb::rv_policy::automatic)
      .def_prop_ro("image_ids", &Annotations::image_ids, nb::rv_policy::automatic)
      .def_prop_ro("category_ids", &Annotations::category_ids, nb::rv_policy::automatic)
      .def_prop_ro("boxes", &Annotations::boxes, nb::rv_policy::automatic)
      .def_prop_ro("scores", &Annotations::scores, nb::rv_policy::automatic)
      .def_prop_ro("areas", &Annotations::areas, nb::rv_policy::automatic)
      .def_prop_ro("crowds", &Annotations::crowds, nb::rv_policy::automatic)
      .def_prop_ro("ids", &Annotations::ids, nb::rv_policy::automatic)
      .def_prop_ro("images", &Annotations::images, nb::rv_policy::automatic)
      .def_prop_ro("categories", &Annotations::categories, nb::rv_policy::automatic)
      .def("__len__", [](const Annotations& annotations) { return annotations.table().count; });
  module.def("read_annotations", &read_annotations, nb::arg("path"), nb::arg("threads") = 0);
  module.def("read_both", &read_both, nb::arg("truth"), nb::arg("results"), nb::arg("threads") = 0);
  nb::class_<Evaluation>(module, "Evaluation")
      .def_prop_ro(
          "precision", [](const Evaluation& e) { return e.array(FOVEA_EVALUATION_PRECISION); },
          nb::rv_policy::automatic)
      .def_prop_ro(
          "recall", [](const Evaluation& e) { return e.array(FOVEA_EVALUATION_RECALL); }, nb::rv_policy::automatic)
      .def_prop_ro(
          "scores", [](const Evaluation& e) { return e.array(FOVEA_EVALUATION_SCORES); }, nb::rv_policy::automatic)
      .def_prop_ro("category_ids", &Evaluation::category_ids, nb::rv_policy::automatic)
      .def("summary", &Evaluation::summary)
      .def("class_summary", &Evaluation::class_summary, nb::arg("category"))
      .def("matches", &Evaluation::matches, nb::arg("category"), nb::arg("area"), nb::arg("image"));
  module.def("evaluate", &evaluate, nb::arg("truth"), nb::arg("detections"), nb::kw_only(),
             nb::arg("image_ids").none() = nb::none(), nb::arg("category_ids").none() = nb::none(),
             nb::arg("ious").none() = nb::none(), nb::arg("recalls").none() = nb::none(),
             nb::arg("areas").none() = nb::none(), nb::arg("max_detections") = std::vector<int64_t>{1, 10, 100},
             nb::arg("use_categories") = true, nb::arg("threads") = 0);
}

}  // namespace fovea::python
