// The C API's evaluation.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <unordered_set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/api/evaluation_handles.h"
#include "tools/api/structs.h"
#include "tools/eval/settings.h"
#include "tools/text/tasks.h"

using namespace fovea;
using namespace fovea::api;

namespace {

constexpr size_t kFirstEvaluateOptions = 120;  // the size in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_evaluate_options) == kFirstEvaluateOptions);

template <class T>
void set_column(Column<T>& column, const void* first, ptrdiff_t stride, const std::string& name) {
  if (first == nullptr) bad_argument(name + " is NULL");
  column = {first, stride == 0 ? static_cast<ptrdiff_t>(sizeof(T)) : stride};
}

BoxTable own_table(const fovea_box_table* given, const char* name, bool are_detections) {
  if (given == nullptr) bad_argument(fmt::format("{} is NULL", name));
  const fovea_box_table table = own_struct(*given, kFirstBoxTable, name, "fovea_box_table");
  BoxTable own{.name = name};
  own.count = table.count;
  if (table.count == 0) return own;
  if (table.count >= UINT32_MAX)
    bad_argument(fmt::format("{}.count is {}: expected less than 2^32", name, table.count));
  const auto member = [&](const char* column) { return fmt::format("{}.{}", name, column); };
  set_column(own.images, table.image_ids, table.image_stride, member("image_ids"));
  set_column(own.categories, table.category_ids, table.category_stride, member("category_ids"));
  set_column(own.boxes, table.boxes, table.box_stride, member("boxes"));
  if (are_detections) set_column(own.scores, table.scores, table.score_stride, member("scores"));
  if (table.areas != nullptr) set_column(own.areas, table.areas, table.area_stride, "");
  if (table.crowds != nullptr) set_column(own.crowds, table.crowds, table.crowd_stride, "");
  if (table.ids != nullptr) set_column(own.ids, table.ids, table.id_stride, "");
  return own;
}

// A list of the options; none where it is NULL.
template <class T>
std::optional<std::vector<T>> given_list(const T* first, size_t count, size_t least, const char* name) {
  if (first == nullptr && count == 0) return std::nullopt;
  if (first == nullptr) bad_argument(fmt::format("options.{} is NULL, of {} entries", name, count));
  if (count < least) bad_argument(fmt::format("options.{} has no entries: for the usual ones leave it NULL", name));
  return std::vector<T>(first, first + count);
}

std::vector<double> numbers(const double* first, size_t count, const char* name, const std::vector<double>& usual) {
  auto given = given_list(first, count, 1, name);
  if (!given) return usual;
  for (size_t i = 0; i < given->size(); ++i)
    if (!std::isfinite((*given)[i])) bad_argument(fmt::format("options.{}[{}] is {}", name, i, (*given)[i]));
  return *given;
}

std::vector<int64_t> sorted_once(std::vector<int64_t> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::vector<AreaLimits> areas_of(const fovea_evaluate_options& options) {
  if (options.area_count > SIZE_MAX / 2) bad_argument(fmt::format("options.area_count is {}", options.area_count));
  const auto ends = given_list(options.areas, 2 * options.area_count, 2, "areas");
  std::vector<AreaLimits> areas;
  if (!ends) {
    for (const AreaRange& range : EvalSettings{}.areas) areas.push_back({range.low, range.high});
    return areas;
  }
  for (size_t a = 0; a < options.area_count; ++a) {
    areas.push_back({(*ends)[2 * a], (*ends)[2 * a + 1]});
    if (std::isnan(areas[a][0]) || std::isnan(areas[a][1])) bad_argument(fmt::format("options.areas[{}] is nan", a));
  }
  return areas;
}

std::vector<int64_t> limits_of(const fovea_evaluate_options& options) {
  const auto given = given_list(options.max_detections, options.max_detection_count, 1, "max_detections");
  const std::vector<int64_t> limits = given.value_or(std::vector<int64_t>{1, 10, 100});
  for (size_t m = 0; m < limits.size(); ++m) {
    const int64_t least = m == 0 ? 0 : limits[m - 1];
    if (limits[m] < least)
      bad_argument(fmt::format("options.max_detections[{}] is {}: expected {} at least", m, limits[m], least));
  }
  return limits;
}

fovea_evaluate_options own_evaluate_options(const fovea_evaluate_options* options) {
  if (options == nullptr) return {};
  return own_struct(*options, kFirstEvaluateOptions, "options", "fovea_evaluate_options");
}

// All but images and categories that were not given.
CocoProtocol protocol_of(const fovea_evaluate_options& options) {
  const EvalSettings usual;
  CocoProtocol protocol{.images = {},
                        .categories = {},
                        .ious = numbers(options.ious, options.iou_count, "ious", usual.ious),
                        .recalls = numbers(options.recalls, options.recall_count, "recalls", linspace(0, 1, 101)),
                        .areas = areas_of(options),
                        .limits = limits_of(options),
                        .one_class = options.one_category != 0};
  return protocol;
}

// Whether precision at other limits than the last is of no account to fovea_evaluation_get_summary().
bool summary_needs_last_limit(const std::vector<int64_t>& limits) {
  const auto hundred = std::find(limits.begin(), limits.end(), 100);
  return limits.size() <= 3 && (hundred == limits.end() || hundred + 1 == limits.end());
}

std::vector<int64_t> ids_of(const std::optional<std::vector<int64_t>>& given, const BoxTable& truth,
                            const BoxTable& detections, Column<int64_t> BoxTable::* column, bool in_order) {
  if (!given) return distinct_ids(truth.count, truth.*column, detections.count, detections.*column);
  if (!in_order) return sorted_once(*given);
  std::vector<int64_t> once;
  std::unordered_set<int64_t> seen;
  for (const int64_t id : *given)
    if (seen.insert(id).second) once.push_back(id);
  return once;
}

void evaluate_tables(Evaluation& evaluation, const fovea_evaluate_options& options) {
  const auto images = given_list(options.image_ids, options.image_count, 0, "image_ids");
  const auto categories = given_list(options.category_ids, options.category_count, 0, "category_ids");
  const size_t workers = evaluation.workers = workers_of(options.threads, "options.threads");
  evaluation.protocol = protocol_of(options);
  CocoProtocol& protocol = evaluation.protocol;
  protocol.images = ids_of(images, evaluation.truth, evaluation.detections, &BoxTable::images, false);
  protocol.categories =
      ids_of(categories, evaluation.truth, evaluation.detections, &BoxTable::categories, protocol.one_class);
  evaluation.places = coco_places(evaluation.truth, evaluation.detections, protocol, workers);
  if (evaluation.keeps_tables && summary_needs_last_limit(protocol.limits))
    protocol.precision_of_last = true, protocol.with_scores = false;
  evaluation.curves = coco_curves(evaluation.truth, evaluation.detections, evaluation.places, protocol, workers);
}

// As loadRes() asks for it.
void require_listed_images(const Annotations& truth, const Annotations& results, const char* truth_path,
                           const char* results_path, size_t workers) {
  constexpr size_t at_once = 65536;
  const IdIndex images(truth.images.ids);
  const Detections& all = results.detections;
  run_tasks((all.size() + at_once - 1) / at_once, workers, [&](size_t task, size_t) {
    for (size_t i = task * at_once; i < std::min(all.size(), (task + 1) * at_once); ++i)
      if (images.find(all[i].image_id) == IdIndex::kNone)
        throw Error(ErrorKind::Data, fmt::format("{}: results[{}].image_id: {} lists no image {}",
                                                 printable(results_path), i, printable(truth_path), all[i].image_id));
  });
}

void set_ids(const std::vector<int64_t>& list, const int64_t** ids, size_t* count) {
  if (ids != nullptr) *ids = list.data();
  if (count != nullptr) *count = list.size();
}

}  // namespace

const CocoCurves& fovea::api::Evaluation::whole_curves() const {
  if (!protocol.precision_of_last) return curves;
  std::call_once(made_, [&] {
    CocoProtocol all = protocol;
    all.precision_of_last = false;
    all.with_scores = true;
    whole_ = coco_curves(truth, detections, places, all, workers);
  });
  return whole_;
}

fovea_status fovea_evaluate(const fovea_box_table* truth, const fovea_box_table* detections,
                            const fovea_evaluate_options* options, fovea_evaluation** evaluation) {
  return guarded([&] {
    if (evaluation == nullptr) bad_argument("evaluation is NULL");
    const fovea_evaluate_options wanted = own_evaluate_options(options);
    auto contents = std::make_unique<Evaluation>();
    contents->truth = own_table(truth, "truth", false);
    contents->detections = own_table(detections, "detections", true);
    contents->keeps_tables = wanted.keep_tables != 0;
    evaluate_tables(*contents, wanted);
    if (!contents->keeps_tables) contents->places = {};
    *evaluation = new fovea_evaluation(std::move(contents));
  });
}

fovea_status fovea_evaluate_files(const char* truth_path, const char* results_path,
                                  const fovea_evaluate_options* options, fovea_evaluation** evaluation) {
  return guarded([&] {
    if (evaluation == nullptr) bad_argument("evaluation is NULL");
    fovea_evaluate_options wanted = own_evaluate_options(options);
    static_cast<void>(protocol_of(wanted));  // what makes no sense is told before files are read
    auto contents = std::make_unique<Evaluation>();
    const size_t workers = workers_of(wanted.threads, "options.threads");
    std::tie(contents->own_truth, contents->own_detections) = read_both(truth_path, results_path, workers);
    const Annotations &truth = *contents->own_truth, &results = *contents->own_detections;
    require_listed_images(truth, results, truth_path, results_path, workers);
    const auto take = [](const IdList& list, const int64_t*& ids, size_t& count) {
      static constexpr int64_t none = 0;
      if (ids == nullptr && count == 0) ids = list.ids.empty() ? &none : list.ids.data(), count = list.ids.size();
    };
    take(truth.images, wanted.image_ids, wanted.image_count);
    take(truth.categories, wanted.category_ids, wanted.category_count);
    contents->truth = truth.table();
    contents->detections = results.table();
    contents->keeps_tables = true;
    evaluate_tables(*contents, wanted);
    *evaluation = new fovea_evaluation(std::move(contents));
  });
}

fovea_status fovea_evaluation_get_array(const fovea_evaluation* evaluation, int32_t array, const double** values,
                                        size_t shape[5]) {
  return guarded([&] {
    const Evaluation& own = contents_of(evaluation, "evaluation");
    if (values == nullptr) bad_argument("values is NULL");
    const bool is_recall = array == FOVEA_EVALUATION_RECALL;
    if (!is_recall && array != FOVEA_EVALUATION_PRECISION && array != FOVEA_EVALUATION_SCORES)
      bad_argument(fmt::format("array is {}: expected 0, 1 or 2", array));
    const CocoCurves& curves = is_recall ? own.curves : own.whole_curves();
    *values = is_recall ? curves.recall.data()
                        : (array == FOVEA_EVALUATION_SCORES ? curves.scores.data() : curves.precision.data());
    if (shape == nullptr) return;
    const std::array<size_t, 5> sides = is_recall ? std::array{curves.t, curves.k, curves.a, curves.m, size_t{1}}
                                                  : std::array{curves.t, curves.r, curves.k, curves.a, curves.m};
    std::copy(sides.begin(), sides.end(), shape);
  });
}

fovea_status fovea_evaluation_get_images(const fovea_evaluation* evaluation, const int64_t** ids, size_t* count) {
  return guarded([&] { set_ids(contents_of(evaluation, "evaluation").protocol.images, ids, count); });
}

fovea_status fovea_evaluation_get_categories(const fovea_evaluation* evaluation, const int64_t** ids, size_t* count) {
  return guarded([&] { set_ids(contents_of(evaluation, "evaluation").protocol.categories, ids, count); });
}

fovea_status fovea_evaluation_free(fovea_evaluation* evaluation) {
  return guarded([&] { free_handle(evaluation, "evaluation"); });
}
