// State dicts of RetinaNets as names and shapes, without values: torchvision's from tests/data/state_dicts, those of
// other programs written down from what their modules are made of.
#pragma once
#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

#include "engine/tensor_file.h"

namespace fovea::test {

using Shapes = std::map<std::string, std::vector<int64_t>>;

// A file of such tensors, whose values nobody may read.
inline TensorFile file_of(const Shapes& shapes) {
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, shape] : shapes) tensors[name] = {"F32", shape, {}, {}};
  return {"weights.pth", "PyTorch", nullptr, std::move(tensors), {}};
}

inline void add_convolution(Shapes& shapes, const std::string& name, int64_t out, int64_t in, int64_t kernel) {
  shapes[name + ".weight"] = {out, in, kernel, kernel};
  shapes[name + ".bias"] = {out};
}
inline void add_norm(Shapes& shapes, const std::string& name, int64_t channels) {
  for (const char* value : {".weight", ".bias", ".running_mean", ".running_var"}) shapes[name + value] = {channels};
}

// What the programs call the parts of a bottleneck's ResNet.
struct ResNetWords {
  std::string stem, stem_norm;
  std::string stage;  // with {} for its number, from 1
  int first_stage = 1;
  std::string norm;  // of convolution {}
  std::string shortcut, shortcut_norm;
};

inline void add_resnet(Shapes& shapes, const ResNetWords& words, const std::vector<int>& blocks, int64_t groups = 1,
                       int64_t group_width = 64) {
  shapes[words.stem + ".weight"] = {64, 3, 7, 7};
  add_norm(shapes, words.stem_norm, 64);
  int64_t channels = 64;
  for (size_t stage = 0; stage < 4; ++stage)
    for (int b = 0; b < blocks[stage]; ++b) {
      const std::string block =
          fmt::format(fmt::runtime(words.stage), words.first_stage + static_cast<int>(stage)) + fmt::format(".{}.", b);
      const int64_t width = 64 << stage, inner = width * group_width / 64 * groups, out = 4 * width;
      const auto norm = [&](int n, int64_t of) {
        add_norm(shapes, block + fmt::format(fmt::runtime(words.norm), n), of);
      };
      shapes[block + "conv1.weight"] = {inner, channels, 1, 1};
      norm(1, inner);
      shapes[block + "conv2.weight"] = {inner, inner / groups, 3, 3};
      norm(2, inner);
      shapes[block + "conv3.weight"] = {out, inner, 1, 1};
      norm(3, out);
      if (b == 0) {
        shapes[block + words.shortcut + ".weight"] = {out, channels, 1, 1};
        add_norm(shapes, block + words.shortcut_norm, out);
      }
      channels = out;
    }
}

inline const std::vector<int> kBlocksOf50{3, 4, 6, 3}, kBlocksOf101{3, 4, 23, 3};

// As detectron2's RetinaNet with a ResNet is built, for COCO.
inline Shapes detectron2_state(const std::vector<int>& blocks) {
  Shapes shapes;
  add_resnet(shapes,
             {"backbone.bottom_up.stem.conv1", "backbone.bottom_up.stem.conv1.norm", "backbone.bottom_up.res{}", 2,
              "conv{}.norm", "shortcut", "shortcut.norm"},
             blocks);
  for (int level = 3; level <= 5; ++level) {
    add_convolution(shapes, fmt::format("backbone.fpn_lateral{}", level), 256, 64 << level, 1);
    add_convolution(shapes, fmt::format("backbone.fpn_output{}", level), 256, 256, 3);
  }
  add_convolution(shapes, "backbone.top_block.p6", 256, 2048, 3);
  add_convolution(shapes, "backbone.top_block.p7", 256, 256, 3);
  for (const char* tower : {"cls_subnet", "bbox_subnet"})
    for (const int place : {0, 2, 4, 6}) add_convolution(shapes, fmt::format("head.{}.{}", tower, place), 256, 256, 3);
  add_convolution(shapes, "head.cls_score", 9 * 80, 256, 3);
  add_convolution(shapes, "head.bbox_pred", 9 * 4, 256, 3);
  return shapes;
}

// As mmdetection's configs/retinanet/retinanet_x101_32x4d_fpn_1x_coco.py is built.
inline Shapes mmdetection_state() {
  Shapes shapes;
  add_resnet(shapes, {"backbone.conv1", "backbone.bn1", "backbone.layer{}", 1, "bn{}", "downsample.0", "downsample.1"},
             kBlocksOf101, 32, 4);
  for (int i = 0; i < 3; ++i) add_convolution(shapes, fmt::format("neck.lateral_convs.{}.conv", i), 256, 512 << i, 1);
  for (int i = 0; i < 5; ++i)
    add_convolution(shapes, fmt::format("neck.fpn_convs.{}.conv", i), 256, i == 3 ? 2048 : 256, 3);
  for (const char* tower : {"cls_convs", "reg_convs"})
    for (int i = 0; i < 4; ++i) add_convolution(shapes, fmt::format("bbox_head.{}.{}.conv", tower, i), 256, 256, 3);
  add_convolution(shapes, "bbox_head.retina_cls", 9 * 80, 256, 3);
  add_convolution(shapes, "bbox_head.retina_reg", 9 * 4, 256, 3);
  return shapes;
}

// As ODTK's Model with a backbone ResNet50FPN is built, with what classifies in its ResNet.
inline Shapes odtk_state() {
  Shapes shapes;
  const std::string backbone = "backbones.ResNet50FPN.", features = backbone + "features.";
  add_resnet(shapes,
             {features + "conv1", features + "bn1", features + "layer{}", 1, "bn{}", "downsample.0", "downsample.1"},
             kBlocksOf50);
  shapes[features + "fc.weight"] = {1000, 2048};
  shapes[features + "fc.bias"] = {1000};
  for (int level = 3; level <= 5; ++level) {
    add_convolution(shapes, fmt::format("{}lateral{}", backbone, level), 256, 64 << level, 1);
    add_convolution(shapes, fmt::format("{}smooth{}", backbone, level), 256, 256, 3);
  }
  add_convolution(shapes, backbone + "pyramid6", 256, 2048, 3);
  add_convolution(shapes, backbone + "pyramid7", 256, 256, 3);
  for (const char* head : {"cls_head", "box_head"}) {
    for (const int place : {0, 2, 4, 6}) add_convolution(shapes, fmt::format("{}.{}", head, place), 256, 256, 3);
    add_convolution(shapes, fmt::format("{}.8", head), head[0] == 'c' ? 9 * 20 : 9 * 4, 256, 3);
  }
  return shapes;
}

}  // namespace fovea::test
