#include "tools/export/description.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/files.h"
#include "tools/export/tail_nodes.h"
#include "tools/text/outputs.h"
#include "tools/text/version.h"

namespace fovea {

namespace {

using Entries = std::vector<std::string>;

std::string json_entries(const Entries& entries) {
  return fmt::format("[\n    {}\n  ]", fmt::join(entries, ",\n    "));
}

std::string tensor(const char* name, const char* type, const std::string& shape, const std::string& meaning) {
  return fmt::format(R"({{"name": "{}", "type": "{}", "shape": [{}], "is": "{}"}})", name, type, shape, meaning);
}

std::string batch_of(const ExportOptions& options) {
  return options.batch == 0 ? "\"batch\"" : fmt::format("{}", options.batch);
}

std::string inputs(const ExportOptions& options) {
  const std::string batch = batch_of(options);
  const auto [height, width] = options.size;
  Entries entries;
  if (options.input == ExportInput::Raw)
    entries.push_back(tensor("images", "uint8", fmt::format("{}, {}, {}, 3", batch, height, width), "RGB, 0 to 255"));
  else
    entries.push_back(
        tensor("images", "float32", fmt::format("{}, 3, {}, {}", batch, height, width),
               options.input == ExportInput::Unit ? "RGB, 0 to 1" : "RGB, (value / 255 - mean) / std, padded with 0"));
  if (options.takes_sizes())
    entries.push_back(tensor("sizes", "float32", batch + ", 2", "height and width of each image in the input"));
  return json_entries(entries);
}

std::string outputs(const ExportOptions& options, const Config& config, const NetworkGraph& network) {
  const std::string batch = batch_of(options);
  if (options.tail == ExportTail::Heads) {
    const size_t anchors = network.anchors.size() / 4;
    return json_entries({tensor("logits", "float32", fmt::format("{}, {}, {}", batch, anchors, config.model.classes),
                                "before the sigmoid"),
                         tensor("deltas", "float32", fmt::format("{}, {}, 4", batch, anchors), "dx dy dw dh")});
  }
  const bool plugin = options.tail == ExportTail::EfficientNms;
  const int64_t places = plugin ? config.model.detect.per_image : onnx_file::detections_of(network, config.model);
  return json_entries(
      {tensor("boxes", "float32", fmt::format("{}, {}, 4", batch, places), "x1 y1 x2 y2 in the input's pixels"),
       tensor("scores", "float32", fmt::format("{}, {}", batch, places), "falling"),
       tensor("labels", "int32", fmt::format("{}, {}", batch, places), "a label of the classes"),
       tensor("count", "int32", plugin ? batch + ", 1" : batch, "detections; what follows them means nothing")});
}

std::string classes(const Config& config, const std::vector<Category>& categories) {
  Entries entries;
  for (int label = 0; label < config.model.classes; ++label) {
    const auto at = static_cast<size_t>(label);
    entries.push_back(at < categories.size() ? fmt::format(R"({{"label": {}, "id": {}, "name": {}}})", label,
                                                           categories[at].id, json_quoted(categories[at].name))
                                             : fmt::format(R"({{"label": {}, "id": {}, "name": null}})", label, label));
  }
  return json_entries(entries);
}

// anchor = cell + (x · stride_x, y · stride_y), in the order level, y, x, cell; read from the anchors themselves. A
// level of one column or row has the whole input as its step.
std::string anchor_levels(const ExportOptions& options, const Config& config, const NetworkGraph& network) {
  Entries entries;
  const auto cells = static_cast<size_t>(config.model.anchors.per_location());
  size_t first = 0;  // anchor of the level
  for (const auto [height, width] : network.levels) {
    const auto edge = [&network, first, cells](size_t location, size_t cell, size_t side) {
      return network.anchors.at(4 * (first + location * cells + cell) + side);
    };
    const auto below = static_cast<size_t>(width);
    const float stride_x = width > 1 ? edge(1, 0, 0) - edge(0, 0, 0) : static_cast<float>(options.size.width);
    const float stride_y = height > 1 ? edge(below, 0, 1) - edge(0, 0, 1) : static_cast<float>(options.size.height);
    Entries corners;
    for (size_t cell = 0; cell < cells; ++cell)
      corners.push_back(
          fmt::format("[{}, {}, {}, {}]", edge(0, cell, 0), edge(0, cell, 1), edge(0, cell, 2), edge(0, cell, 3)));
    entries.push_back(fmt::format(R"({{"height": {}, "width": {}, "stride_y": {}, "stride_x": {}, "cells": [{}]}})",
                                  height, width, stride_y, stride_x, fmt::join(corners, ", ")));
    first += static_cast<size_t>(height) * below * cells;
  }
  return json_entries(entries);
}

}  // namespace

const char* name_of(ExportTail tail) {
  if (tail == ExportTail::Heads) return "heads";
  return tail == ExportTail::Nms ? "nms" : "efficient_nms";
}

const char* name_of(ExportPrecision precision) {
  if (precision == ExportPrecision::Fp32) return "fp32";
  return precision == ExportPrecision::Fp16 ? "fp16" : "bf16";
}

const char* name_of(ExportInput input) {
  if (input == ExportInput::Raw) return "raw";
  return input == ExportInput::Unit ? "unit" : "normalized";
}

std::string export_description(const ExportOptions& options, const Config& config,
                               const std::vector<Category>& categories, const NetworkGraph& network) {
  const DetectConfig& detect = config.model.detect;
  const auto member = [](const char* key, const std::string& value) { return fmt::format("  \"{}\": {}", key, value); };
  const Entries members{
      member("about", fmt::format("\"{} {}\"", kMark, kVersion)),
      member("network", json_quoted("RetinaNet, " + backbone_name(config.model.backbone))),
      member("tail", fmt::format("\"{}\"", name_of(options.tail))),
      member("precision", fmt::format("\"{}\"", name_of(options.precision))),
      member("inputs", inputs(options)),
      member("outputs", outputs(options, config, network)),
      member("classes", classes(config, categories)),
      member("preprocessing",
             fmt::format(R"({{"input": "{}", "colors": "RGB", "height": {}, "width": {}, "fills_input": {}, )"
                         R"("short_side": {}, "long_side": {}, )"
                         R"("resize": "{}", "mean": [{}], "std": [{}]}})",
                         name_of(options.input), options.size.height, options.size.width, options.filled,
                         config.input.short_side.back(), config.input.long_side,
                         config.input.antialias ? "bilinear, antialiased" : "bilinear",
                         fmt::join(config.input.mean, ", "), fmt::join(config.input.std, ", "))),
      member("detection", fmt::format(R"({{"score_threshold": {}, "candidates_per_level": {}, "nms_threshold": {}, )"
                                      R"("per_image": {}, "class_agnostic": {}}})",
                                      detect.score_threshold, detect.candidates_per_level, detect.nms_threshold,
                                      detect.per_image, detect.class_agnostic)),
      member("coder_weights", fmt::format("[{}]", fmt::join(config.model.loss.coder_weights, ", "))),
      member("anchor_levels", anchor_levels(options, config, network)),
      member("configuration", json_quoted(to_toml(config)))};
  return fmt::format("{{\n{}\n}}\n", fmt::join(members, ",\n"));
}

}  // namespace fovea
