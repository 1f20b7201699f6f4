// Random objects and detections as tables of the C API.
#pragma once
#include <memory>
#include <vector>

#include "tests/api/scene.h"
#include "tests/support/eval_scene.h"

namespace fovea::test {

struct FreeEvaluation {
  void operator()(fovea_evaluation* evaluation) const { fovea_evaluation_free(evaluation); }
  void operator()(fovea_annotations* annotations) const { fovea_annotations_free(annotations); }
  void operator()(const fovea_matches* matches) const { fovea_matches_free(matches); }
};
using EvaluationHandle = std::unique_ptr<fovea_evaluation, FreeEvaluation>;
using AnnotationsHandle = std::unique_ptr<fovea_annotations, FreeEvaluation>;
using MatchesHandle = std::unique_ptr<const fovea_matches, FreeEvaluation>;

inline fovea_box_table in_c(const std::vector<GroundTruth>& objects) {
  fovea_box_table table;
  fovea_box_table_init(&table);
  table.count = objects.size();
  table.image_ids = &objects[0].image_id;
  table.category_ids = &objects[0].category_id;
  table.boxes = &objects[0].x;
  table.areas = &objects[0].area;
  table.crowds = reinterpret_cast<const uint8_t*>(&objects[0].crowd);
  table.ids = &objects[0].id;
  for (ptrdiff_t* stride : {&table.image_stride, &table.category_stride, &table.box_stride, &table.area_stride,
                            &table.crowd_stride, &table.id_stride})
    *stride = sizeof(GroundTruth);
  return table;
}

inline fovea_box_table in_c(const std::vector<Detection>& detections) {
  fovea_box_table table;
  fovea_box_table_init(&table);
  table.count = detections.size();
  table.image_ids = &detections[0].image_id;
  table.category_ids = &detections[0].category_id;
  table.boxes = &detections[0].x;
  table.scores = &detections[0].score;
  for (ptrdiff_t* stride : {&table.image_stride, &table.category_stride, &table.box_stride, &table.score_stride})
    *stride = sizeof(Detection);
  return table;
}

inline EvaluationHandle evaluate_scene(const Scene& scene, const fovea_evaluate_options* options) {
  const fovea_box_table truth = in_c(scene.truth), found = in_c(scene.found);
  fovea_evaluation* evaluation = nullptr;
  require_ok(fovea_evaluate(&truth, &found, options, &evaluation));
  return EvaluationHandle(evaluation);
}

inline fovea_evaluate_options usual_options() {
  fovea_evaluate_options options;
  fovea_evaluate_options_init(&options);
  return options;
}

}  // namespace fovea::test
