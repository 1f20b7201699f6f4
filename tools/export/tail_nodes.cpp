#include "tools/export/tail_nodes.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "kernels/box_coder.h"
#include "tools/export/onnx_ops.h"

namespace fovea::onnx_file {

namespace {

int64_t anchors_of(const NetworkGraph& network, const ModelConfig& config, size_t level) {
  return int64_t{network.levels[level].height} * network.levels[level].width * config.anchors.per_location();
}

// [N, A·columns, H, W] as fp32 [N, anchors, columns].
Value by_anchor(const Scope& scope, const Value& head, int64_t columns) {
  const Value nhwc = scope.transpose(scope.cast(head, Type::Float), {0, 2, 3, 1});
  const int64_t anchors = nhwc.dims[1] * nhwc.dims[2] * nhwc.dims[3] / columns;
  return scope.reshape(nhwc, {nhwc.dims[0], anchors, columns});
}

Value all_levels(const Scope& scope, const std::vector<Value>& heads, int64_t columns, const std::string& output = {}) {
  std::vector<Value> levels;
  for (const Value& head : heads) levels.push_back(by_anchor(scope, head, columns));
  return scope.concat(levels, 1, output);
}

// Center and size of each anchor, [anchors, 4].
Value centered_anchors(const Scope& scope, const std::vector<float>& anchors) {
  std::vector<float> centered(anchors.size());
  for (size_t i = 0; i < anchors.size(); i += 4)
    for (const size_t axis : {0, 1}) {
      const float size = anchors[i + axis + 2] - anchors[i + axis];
      centered[i + axis] = anchors[i + axis] + 0.5f * size;
      centered[i + axis + 2] = size;
    }
  return scope.writer.constant(scope.in("anchors").name, Type::Float, {static_cast<int64_t>(anchors.size() / 4), 4},
                               centered);
}

// The right and lower end of the image's content, [N or 1, 1, 4] as x y x y.
Value limits(const Scope& scope, const TailInput& tail) {
  if (tail.sizes.name.empty()) {
    const auto width = static_cast<float>(tail.input.width), height = static_cast<float>(tail.input.height);
    return scope.writer.constant(scope.in("limits").name, Type::Float, {1, 1, 4},
                                 std::array{width, height, width, height});
  }
  return scope.unsqueeze(scope.gather(tail.sizes, scope.integers("columns", {1, 0, 1, 0}), 1), 1);
}

// kernels/box_coder.h: deltas [N, T, 4] of anchors [N or 1, T, 4] (center, size) to corners, clipped to the image.
Value decoded(const Scope& scope, const TailInput& tail, const Value& deltas, const Value& anchors,
              const std::string& output = {}) {
  Value scaled = deltas;
  const auto& weights = tail.config.loss.coder_weights;
  if (std::any_of(weights.begin(), weights.end(), [](double weight) { return weight != 1; })) {
    const std::vector<float> values(weights.begin(), weights.end());
    scaled = scope.binary("Div", deltas,
                          scope.writer.constant(scope.in("coderWeights").name, Type::Float, {1, 1, 4}, values));
  }
  const Value size = scope.slice(anchors, 2, 2, 4);
  const Value center =
      scope.binary("Add", scope.binary("Mul", scope.slice(scaled, 2, 0, 2), size), scope.slice(anchors, 2, 0, 2));
  const Value growth = scope.unary(
      "Exp", scope.binary("Min", scope.slice(scaled, 2, 2, 4), scope.scalar("maxLogScale", kernels::kMaxLogScale)));
  const Value half = scope.binary("Mul", scope.binary("Mul", growth, size), scope.scalar("half", 0.5f));
  const Value corners = scope.concat({scope.binary("Sub", center, half), scope.binary("Add", center, half)}, 2);
  const Value inside = scope.binary("Max", corners, scope.scalar("zero", 0));
  return scope.binary("Min", inside, limits(scope, tail), output);
}

struct Candidates {
  Value logits, anchors, labels;  // [N, T]: fp32, and int64 numbers of anchors and classes
};

// The best of each level, one level behind the other.
Candidates best_of_levels(const Scope& scope, const TailInput& tail) {
  std::vector<Value> logits, anchors, labels;
  int64_t first = 0;
  const int64_t classes = tail.config.classes;
  for (size_t level = 0; level < tail.heads.logits.size(); ++level) {
    const Value of_level = by_anchor(scope, tail.heads.logits[level], classes);
    const Value flat = scope.reshape(of_level, {of_level.dims[0], of_level.dims[1] * classes});
    const auto best = scope.top_k(flat, candidates_of(tail.network, tail.config, level));
    const Value divisor = scope.integer("classes", classes);
    const Value anchor = scope.binary("Div", best.indices, divisor);
    logits.push_back(best.values);
    labels.push_back(scope.binary("Sub", best.indices, scope.binary("Mul", anchor, divisor)));
    anchors.push_back(scope.binary("Add", anchor, scope.integer("firstAnchor", first)));
    first += of_level.dims[1];
  }
  return {scope.concat(logits, 1), scope.concat(anchors, 1), scope.concat(labels, 1)};
}

// scores [N, T] as [N, classes, T], 0 but in the candidate's class; suppressing across classes: [N, 1, T].
Value scores_by_class(const Scope& scope, const Value& scores, const Value& labels, const ModelConfig& config) {
  const Value all = scope.unsqueeze(scores, 1);
  if (config.detect.class_agnostic) return all;
  std::vector<int64_t> classes(static_cast<size_t>(config.classes));
  std::iota(classes.begin(), classes.end(), 0);
  const Value each = scope.writer.constant(scope.in("eachClass").name, {1, config.classes, 1}, classes);
  return scope.select(scope.binary("Equal", scope.unsqueeze(labels, 1), each), all, scope.scalar("none", 0));
}

// The scores of the candidates that suppression keeps, and 0 for the others, [N, T].
Value kept_scores(const Scope& scope, const Value& boxes, const Value& scores, const Value& labels,
                  const ModelConfig& config) {
  const Value kept = scope.writer
                         .node({"NonMaxSuppression", scope.in("kept").name, {}},
                               {boxes, scores_by_class(scope, scores, labels, config),
                                scope.integers("perClass", {config.detect.per_image}),
                                scope.scalar("iou", static_cast<float>(config.detect.nms_threshold)),
                                scope.scalar("score", static_cast<float>(config.detect.score_threshold))},
                               {{"", Type::Int64, {kKept, 3}}})  // image, class, candidate
                         .front();
  const Value places = scope.gather(kept, scope.integers("imageAndCandidate", {0, 2}), 1);
  const Value values =
      scope.writer.node({"GatherND", scope.in("values").name, {}}, {scores, places}, {{"", Type::Float, {kKept}}})
          .front();
  const Value zeros = scope.binary("Mul", scores, scope.scalar("zero", 0));
  return scope.writer
      .node({"ScatterND", scope.in("keptScores").name, {}}, {zeros, places, values}, {{"", Type::Float, scores.dims}})
      .front();
}

}  // namespace

int64_t candidates_of(const NetworkGraph& network, const ModelConfig& config, size_t level) {
  return std::min<int64_t>(config.detect.candidates_per_level, anchors_of(network, config, level) * config.classes);
}

int64_t detections_of(const NetworkGraph& network, const ModelConfig& config) {
  int64_t candidates = 0;
  for (size_t level = 0; level < network.levels.size(); ++level) candidates += candidates_of(network, config, level);
  return std::min<int64_t>(config.detect.per_image, candidates);
}

void add_heads_tail(Writer& writer, const TailInput& tail) {
  const Scope scope{writer, "tail"};
  writer.output(all_levels(scope, tail.heads.logits, tail.config.classes, "logits"));
  writer.output(all_levels(scope, tail.heads.deltas, 4, "deltas"));
}

void add_nms_tail(Writer& writer, const TailInput& tail) {
  const Scope scope{writer, "tail"};
  const Candidates best = best_of_levels(scope, tail);
  const Value deltas = scope.gather_rows(all_levels(scope, tail.heads.deltas, 4), best.anchors);
  const Value anchors = scope.gather(centered_anchors(scope, tail.network.anchors), best.anchors, 0);
  const Value boxes = decoded(scope, tail, deltas, anchors);
  const Value kept = kept_scores(scope, boxes, scope.unary("Sigmoid", best.logits), best.labels, tail.config);

  const auto found = scope.top_k(kept, detections_of(tail.network, tail.config));
  const Value filled = scope.binary("Greater", found.values, scope.scalar("zero", 0));
  const Value weight = scope.unsqueeze(scope.cast(filled, Type::Float), 2);
  writer.output(scope.binary("Mul", scope.gather_rows(boxes, found.indices), weight, "boxes"));
  writer.output(scope.unary("Identity", found.values, "scores"));
  const Value labels =
      scope.select(filled, scope.gather_elements(best.labels, found.indices, 1), scope.integer("noLabel", -1));
  writer.output(scope.cast(labels, Type::Int32, "labels"));
  writer.output(writer
                    .node({"ReduceSum", "", {}}, {scope.cast(filled, Type::Int32), scope.integers("axis", {1})},
                          {{"count", Type::Int32, {filled.dims[0]}}}, {{"keepdims", int64_t{0}}})
                    .front());
}

void add_efficient_nms_tail(Writer& writer, const TailInput& tail) {
  const Scope scope{writer, "tail"};
  const Value logits = all_levels(scope, tail.heads.logits, tail.config.classes);
  const Value anchors = scope.unsqueeze(centered_anchors(scope, tail.network.anchors), 0);
  const Value boxes = decoded(scope, tail, all_levels(scope, tail.heads.deltas, 4), anchors);
  const DetectConfig& detect = tail.config.detect;
  const int64_t batch = logits.dims[0], most = detect.per_image;
  const auto found = writer.node({"EfficientNMS_TRT", "", kPluginDomain}, {boxes, logits},
                                 {{"count", Type::Int32, {batch, 1}},
                                  {"boxes", Type::Float, {batch, most, 4}},
                                  {"scores", Type::Float, {batch, most}},
                                  {"labels", Type::Int32, {batch, most}}},
                                 {{"plugin_version", std::string("1")},
                                  {"background_class", int64_t{-1}},
                                  {"max_output_boxes", most},
                                  {"score_threshold", static_cast<float>(detect.score_threshold)},
                                  {"iou_threshold", static_cast<float>(detect.nms_threshold)},
                                  {"score_activation", int64_t{1}},  // the sigmoid
                                  {"class_agnostic", int64_t{detect.class_agnostic}},
                                  {"box_coding", int64_t{0}}});  // corners
  for (const size_t i : {1, 2, 3, 0}) writer.output(found[i]);   // the count is the last, as of the other tail
}

}  // namespace fovea::onnx_file
