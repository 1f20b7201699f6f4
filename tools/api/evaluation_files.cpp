// The C API's functions on COCO's files.
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

#include "tools/api/evaluation_handles.h"
#include "tools/api/structs.h"
#include "tools/data/formats/coco_json.h"
#include "tools/eval/plain_results.h"
#include "tools/eval/truth_set.h"
#include "tools/eval/usual_results.h"
#include "tools/text/tasks.h"

using namespace fovea;
using namespace fovea::api;

namespace {

constexpr size_t kFirstIdList = 48;  // the size in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_id_list) == kFirstIdList);

template <class Entry>
void add_entry(IdList& list, Entry& entry, std::string& name) {
  list.ids.push_back(entry.id);
  list.names.push_back(std::move(name));
}

void point_to_names(IdList& list) {
  for (const std::string& name : list.names) list.name_pointers.push_back(name.c_str());
}

std::unique_ptr<Annotations> read_truth_file(const char* path, CocoUse use) {
  auto annotations = std::make_unique<Annotations>();
  RawDataset raw = read_coco_file(path, use);
  for (RawImage& image : raw.images) {
    add_entry(annotations->images, image, image.file_name);
    annotations->images.widths.push_back(image.width);
    annotations->images.heights.push_back(image.height);
  }
  for (Category& category : raw.categories) add_entry(annotations->categories, category, category.name);
  point_to_names(annotations->images);
  point_to_names(annotations->categories);
  annotations->objects.reserve(raw.objects.size());
  for (const RawObject& object : raw.objects) annotations->objects.push_back(ground_truth(object));
  return annotations;
}

std::unique_ptr<Annotations> results(Detections detections) {
  auto annotations = std::make_unique<Annotations>();
  annotations->are_results = true;
  annotations->detections = std::move(detections);
  return annotations;
}

ImagesByName images_by_name(const IdList& images) {
  ImagesByName named;
  for (size_t i = 0; i < images.ids.size(); ++i) named.add(images.ids[i], images.names[i]);
  return named;
}

bool begins_as_list(const char* path) {
  constexpr std::string_view before = " \n\r\t\xEF\xBB\xBF";  // with a byte order mark
  std::ifstream file(path);                                   // one that cannot be read is refused by its reader
  char first = 0;
  while (file.get(first) && before.find(first) != before.npos) continue;
  return first == '[';
}

// `list` as the caller's version of the struct has it.
void write_list(const IdList& list, fovea_id_list* given, const char* name) {
  if (given == nullptr) bad_argument(std::string(name) + " is NULL");
  write_struct(*given,
               fovea_id_list{.size = 0,
                             .count = list.ids.size(),
                             .ids = list.ids.data(),
                             .names = list.name_pointers.data(),
                             .widths = list.widths.empty() ? nullptr : list.widths.data(),
                             .heights = list.heights.empty() ? nullptr : list.heights.data()},
               kFirstIdList, name, "fovea_id_list");
}

}  // namespace

namespace fovea::api {

size_t workers_of(int32_t threads, const char* name) {
  if (threads < 0 || threads > 1024) bad_argument(fmt::format("{} is {}: expected 0 to 1024", name, threads));
  return threads == 0 ? usual_workers() : static_cast<size_t>(threads);
}

std::unique_ptr<Annotations> read_annotations(const char* path, int32_t kind, size_t workers) {
  if (path == nullptr) bad_argument("path is NULL");
  if (kind < FOVEA_ANNOTATIONS_ANY || kind > FOVEA_ANNOTATIONS_RESULTS)
    bad_argument(fmt::format("kind is {}: expected 0, 1 or 2", kind));
  const bool are_results = kind == FOVEA_ANNOTATIONS_RESULTS || (kind == FOVEA_ANNOTATIONS_ANY && begins_as_list(path));
  return are_results ? results(read_plain_results(path, workers)) : read_truth_file(path, CocoUse::IntegerIds);
}

std::pair<std::unique_ptr<Annotations>, std::unique_ptr<Annotations>> read_both(const char* truth_path,
                                                                                const char* results_path,
                                                                                size_t workers) {
  if (truth_path == nullptr) bad_argument("truth_path is NULL");
  if (results_path == nullptr) bad_argument("results_path is NULL");
  std::unique_ptr<Annotations> truth;
  std::optional<Detections> usual;  // which name no images
  run_tasks(2, 2, [&](size_t task, size_t) {
    if (task == 0)
      truth = read_truth_file(truth_path, CocoUse::Evaluation);
    else
      usual = read_usual_results(results_path, workers);
  });
  if (usual) return {std::move(truth), results(std::move(*usual))};
  const ImagesByName images = images_by_name(truth->images);
  return {std::move(truth), results(read_plain_results(results_path, workers, &images))};
}

}  // namespace fovea::api

fovea_status fovea_annotations_read(const char* path, int32_t kind, int32_t threads, fovea_annotations** annotations) {
  return guarded([&] {
    if (annotations == nullptr) bad_argument("annotations is NULL");
    auto contents = read_annotations(path, kind, workers_of(threads, "threads"));
    *annotations = new fovea_annotations(std::move(contents));
  });
}

fovea_status fovea_annotations_read_both(const char* truth_path, const char* results_path, int32_t threads,
                                         fovea_annotations** truth, fovea_annotations** results) {
  return guarded([&] {
    if (truth == nullptr) bad_argument("truth is NULL");
    if (results == nullptr) bad_argument("results is NULL");
    auto both = read_both(truth_path, results_path, workers_of(threads, "threads"));
    auto first = std::make_unique<fovea_annotations>(std::move(both.first));
    *results = new fovea_annotations(std::move(both.second));
    *truth = first.release();
  });
}

fovea_status fovea_annotations_get_table(const fovea_annotations* annotations, fovea_box_table* table) {
  return guarded([&] {
    const BoxTable own = contents_of(annotations, "annotations").table();
    if (table == nullptr) bad_argument("table is NULL");
    write_struct(*table,
                 fovea_box_table{.size = 0,
                                 .count = own.count,
                                 .image_ids = static_cast<const int64_t*>(own.images.first),
                                 .image_stride = own.images.stride,
                                 .category_ids = static_cast<const int64_t*>(own.categories.first),
                                 .category_stride = own.categories.stride,
                                 .boxes = static_cast<const double*>(own.boxes.first),
                                 .box_stride = own.boxes.stride,
                                 .scores = static_cast<const double*>(own.scores.first),
                                 .score_stride = own.scores.stride,
                                 .areas = static_cast<const double*>(own.areas.first),
                                 .area_stride = own.areas.stride,
                                 .crowds = static_cast<const uint8_t*>(own.crowds.first),
                                 .crowd_stride = own.crowds.stride,
                                 .ids = static_cast<const int64_t*>(own.ids.first),
                                 .id_stride = own.ids.stride},
                 kFirstBoxTable, "table", "fovea_box_table");
  });
}

fovea_status fovea_annotations_get_images(const fovea_annotations* annotations, fovea_id_list* images) {
  return guarded([&] { write_list(contents_of(annotations, "annotations").images, images, "images"); });
}

fovea_status fovea_annotations_get_categories(const fovea_annotations* annotations, fovea_id_list* categories) {
  return guarded([&] { write_list(contents_of(annotations, "annotations").categories, categories, "categories"); });
}

int32_t fovea_annotations_are_results(const fovea_annotations* annotations) {
  return annotations != nullptr && annotations->contents->are_results ? 1 : 0;
}

fovea_status fovea_annotations_free(fovea_annotations* annotations) {
  return guarded([&] { free_handle(annotations, "annotations"); });
}
