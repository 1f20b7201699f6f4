// What is behind a fovea_annotations and a fovea_evaluation.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tools/api/handle.h"
#include "tools/eval/coco_curves.h"

namespace fovea::api {

inline constexpr size_t kFirstBoxTable = 128;  // the size in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_box_table) == kFirstBoxTable);

// fovea_id_list's columns.
struct IdList {
  std::vector<int64_t> ids;
  std::vector<std::string> names;
  std::vector<const char*> name_pointers;
  std::vector<int32_t> widths, heights;
};

struct Annotations {
  static constexpr uint64_t kMark = 0xf0fea00000000003;
  std::vector<GroundTruth> objects;
  Detections detections;  // of results; then there are no objects
  IdList images, categories;
  bool are_results = false;

  BoxTable table() const { return are_results ? table_of(detections) : table_of(objects); }
};

std::unique_ptr<Annotations> read_annotations(const char* path, int32_t kind, size_t workers);
// Ground truth and results at the same time. Results that have a file_name go to the image of that name.
std::pair<std::unique_ptr<Annotations>, std::unique_ptr<Annotations>> read_both(const char* truth_path,
                                                                                const char* results_path,
                                                                                size_t workers);
// 0 … 1024; 0: as many as OpenMP would use. `name`: the argument's.
size_t workers_of(int32_t threads, const char* name);

struct Evaluation {
  static constexpr uint64_t kMark = 0xf0fea00000000004;
  CocoProtocol protocol;
  CocoCurves curves;  // where the tables stay, without what only the arrays of all limits need
  size_t workers = 1;
  // For matches, where the tables stay.
  bool keeps_tables = false;
  BoxTable truth, detections;
  CocoPlaces places;
  std::unique_ptr<Annotations> own_truth, own_detections;

  // Precision and scores at all limits, which most callers never ask for: of many classes they are hundreds of
  // megabytes. Evaluated at the first call, by any thread, where `curves` lacks them.
  const CocoCurves& whole_curves() const;

 private:
  mutable std::once_flag made_;
  mutable CocoCurves whole_{};
};

}  // namespace fovea::api

struct fovea_annotations : fovea::api::Handle<fovea::api::Annotations> {
  using Handle::Handle;
};
struct fovea_evaluation : fovea::api::Handle<fovea::api::Evaluation> {
  using Handle::Handle;
};
