// The narrow RetinaNets of torchvision, and the config that makes ours the same.
#pragma once
#include <fmt/format.h>

#include <string>

#include "engine/optimizer.h"
#include "model/retinanet.h"
#include "model/size2d.h"
#include "model/weights.h"
#include "tests/support/device_memory.h"
#include "tests/support/golden.h"

namespace fovea::test {

inline const std::vector<std::string>& golden_networks() {
  static const std::vector<std::string> names{"narrow_basic", "narrow_bottleneck", "narrow_gn_giou",  "narrow_resnext",
                                              "narrow_vgg",   "narrow_vgg_bn",     "narrow_inception"};
  return names;
}

// The first whole number in a text, behind `after`.
inline int first_number(const std::string& text, const std::string& after = "") {
  int value = 0;
  for (size_t i = after.empty() ? 0 : text.find(after) + after.size(); i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') continue;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) value = 10 * value + (text[i] - '0');
    break;
  }
  return value;
}

// From what the notes of NAME.weights say: "VGG-16 without norm", "ResNeXt: bottlenecks of 4 groups, …".
inline BackboneConfig golden_backbone(const std::map<std::string, std::string>& metadata, int frozen_stages) {
  const auto note = metadata.find("note");
  const std::string text = note == metadata.end() ? "" : note->second;
  const auto says = [&](const char* word) { return text.find(word) != std::string::npos; };
  BackboneConfig config;
  config.frozen_stages = metadata.at("frozen") == "[]" ? 0 : frozen_stages;
  config.width_divisor = first_number(metadata.at("width_divisor"));
  std::string layers;
  if (says("VGG")) {
    config.kind = BackboneKind::Vgg;
    config.depth = first_number(text);
    if (says("without norm")) config.norm = Norm::None;
  } else if (says("Inception")) {
    config.kind = BackboneKind::Inception;
    config.depth = 48;
  } else if (says("ResNeXt")) {
    config.kind = BackboneKind::ResNeXt;
    config.groups = first_number(text);
    config.group_width = first_number(text, "width_per_group");
    layers = text.substr(text.find("blocks"), text.find(", widths") - text.find("blocks"));
  } else {
    config.depth = metadata.at("block").find("Bottleneck") != std::string::npos ? 50 : 18;
    layers = metadata.at("layers");
  }
  for (const char c : layers)
    if (c >= '0' && c <= '9') config.layers.push_back(c - '0');
  return config;
}

// From the metadata of NAME.weights.
inline ModelConfig golden_config(const SafetensorsFile& weights, int frozen_stages = BackboneConfig{}.frozen_stages) {
  const auto text = [&](const char* key) { return weights.metadata().at(key); };
  ModelConfig config;
  config.classes = first_number(text("classes"));
  config.backbone = golden_backbone(weights.metadata(), frozen_stages);
  config.fpn.channels = first_number(text("fpn"));
  config.fpn.p6_from_c5 = text("p6_from").find("C5") != std::string::npos;
  if (text("head").find("group") != std::string::npos) {
    config.head.norm = Norm::Group;
    config.head.norm_groups = first_number(text("head"));
  }
  config.anchors.rounded = true;
  config.loss.box = text("box_loss").find("giou") != std::string::npos ? BoxLoss::GIoU : BoxLoss::L1;
  config.loss.normalizer = LossNormalizer::PerImage;
  config.detect = {.score_threshold = 0.02, .candidates_per_level = 200, .nms_threshold = 0.5, .per_image = 50};
  return config;
}

// [N, C, H, W] to [N, H, W, C], or back with `to_nchw`.
inline std::vector<float> permuted(const std::vector<float>& values, int n, int c, int h, int w, bool to_nchw = false) {
  std::vector<float> out(values.size());
  for (int i = 0; i < n; ++i)
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        for (int k = 0; k < c; ++k) {
          const size_t nhwc = ((size_t(i) * h + y) * w + x) * c + k, nchw = ((size_t(i) * c + k) * h + y) * w + x;
          if (to_nchw)
            out[nchw] = values[nhwc];
          else
            out[nhwc] = values[nchw];
        }
  return out;
}

struct GoldenNetwork {
  explicit GoldenNetwork(const std::string& name, kernels::ConvAlgorithm algorithm = kernels::ConvAlgorithm::Auto,
                         DeviceKind device = test_device(), Precision precision = Precision::F32,
                         int frozen_stages = BackboneConfig{}.frozen_stages)
      : weights(golden(name + ".weights")),
        expected(golden(name + ".golden")),
        context(device, precision, algorithm),
        model(context, golden_config(weights, frozen_stages), 0) {
    load_weights(weights, model.parameters(), LoadMode::Exact);
    const auto& shape = expected.at("normalised").shape;
    size = {static_cast<int>(shape[2]), static_cast<int>(shape[3])};
    const auto pixels =
        permuted(expected.read<float>("normalised"), static_cast<int>(shape[0]), 3, size.height, size.width);
    dispatch(context.activation_dtype, [&]<class T> {
      images =
          Tensor::from(context.memory, {shape[0], shape[2], shape[3], 3}, std::vector<T>(pixels.begin(), pixels.end()));
    });
    stage_truth(static_cast<int64_t>(shape[0]));
  }

  // Boxes of the images; an image without `imageN.boxes` has none.
  void stage_truth(int64_t count) {
    int64_t most = 1;
    for (int64_t n = 0; n < count; ++n)
      if (expected.contains(name(n, "boxes"))) most = std::max(most, expected.at(name(n, "boxes")).shape[0]);
    std::vector<float> boxes(count * most * 4, 0.f);
    std::vector<int32_t> labels(count * most, -1), counts;
    for (int64_t n = 0; n < count; ++n) {
      counts.push_back(0);
      if (!expected.contains(name(n, "boxes"))) continue;
      const auto of_image = expected.read<float>(name(n, "boxes"));
      const auto classes = expected.read<int32_t>(name(n, "labels"));
      std::copy(of_image.begin(), of_image.end(), boxes.begin() + n * most * 4);
      std::copy(classes.begin(), classes.end(), labels.begin() + n * most);
      counts.back() = static_cast<int32_t>(classes.size());
    }
    truth = {Tensor::from(context.memory, {count, most, 4}, boxes), Tensor::from(context.memory, {count, most}, labels),
             Tensor::zeros(context.memory, {count, most}, DType::U8), Tensor::from(context.memory, {count}, counts)};
  }
  static std::string name(int64_t n, const char* what) { return fmt::format("image{}.{}", n, what); }

  SafetensorsFile weights, expected;
  Context context;
  RetinaNet model;
  Tensor images;
  Truth truth;
  Size2d size{};
};

// One step of training on the golden batch.
inline void step(GoldenNetwork& net, Optimizer& optimizer) {
  Tape tape(net.context, /*training=*/true);
  net.model.parameters().bind_gradients(tape, false);
  net.model.loss(tape, net.model.forward(tape, net.images), net.size, net.truth);
  tape.backward();
  optimizer.step();
}

}  // namespace fovea::test
