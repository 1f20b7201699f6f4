// The network that a file is of, told from names and shapes.
#include "model/recognize.h"

#include <simdjson.h>

#include <random>

#include "model/backbone/kinds.h"
#include "model/family_tensors.h"
#include "model/weights.h"
#include "tests/support/catch.h"
#include "tests/support/refusal.h"
#include "tests/support/state_dicts.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

Shapes torchvision_state(const std::string& name) {
  simdjson::dom::parser parser;
  const simdjson::dom::element json = parser.load(std::string(FOVEA_TEST_DATA "/state_dicts/") + name + ".json");
  Shapes shapes;
  for (const auto [key, sizes] : simdjson::dom::object(json["tensors"])) {
    auto& shape = shapes[std::string(key)];
    for (const int64_t size : simdjson::dom::array(sizes)) shape.push_back(size);
  }
  return shapes;
}

Shapes without(Shapes shapes, const std::string& part) {
  std::erase_if(shapes, [&](const auto& tensor) { return tensor.first.find(part) != std::string::npos; });
  return shapes;
}

// Of our own network, under the names of a family.
Shapes state_of(const ModelConfig& config, WeightFamily family) {
  Shapes shapes;
  const ParameterStore store = parameters_of(config);
  for (const Parameter& p : store.all()) shapes[family_name(family, p.name, config)] = torchvision_shape(p);
  return shapes;
}

bool same_network(const BackboneConfig& a, const BackboneConfig& b) {
  return a.kind == b.kind && a.depth == b.depth && a.layers == b.layers && groups_of(a).count == groups_of(b).count &&
         groups_of(a).width == groups_of(b).width && a.width_divisor == b.width_divisor &&
         a.stem_width == b.stem_width && a.norm == b.norm;
}

bool assumes(const Recognized& recognized, const std::string& key) {
  const auto& keys = recognized.assumed;
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

}  // namespace

TEST_CASE("torchvision's RetinaNets are told from their state dicts, v1 and v2", "[recognize]") {
  const Recognized first = recognize(file_of(torchvision_state("retinanet_resnet50_fpn")));
  CHECK(network_words(first.model) ==
        "ResNet-50, P6 from P5, heads of 4 convolutions, 9 anchors a location, 91 classes");
  CHECK(first.family == WeightFamily::Torchvision);
  CHECK((first.model.anchors.rounded && first.model.backbone.norm == Norm::Batch));
  CHECK(first.model.backbone.norm_epsilon < 0);
  CHECK(first.assumed == std::vector<std::string>{"input.mean", "input.std", "model.anchors.sizes",
                                                  "model.anchors.octaves", "model.anchors.ratios"});

  const Recognized second = recognize(file_of(torchvision_state("retinanet_resnet50_fpn_v2")));
  CHECK(network_words(second.model) ==
        "ResNet-50, P6 from C5, heads of 4 convolutions with group norm, 9 anchors a location, 91 classes");
  CHECK((second.model.head.norm_groups == 32 && assumes(second, "model.head.norm_groups")));
}

TEST_CASE("torchvision's published weights of 2020 had frozen norms without an epsilon", "[recognize]") {
  Shapes old;
  for (const auto& [name, shape] : without(torchvision_state("retinanet_resnet50_fpn"), "num_batches_tracked")) {
    std::string renamed = name;
    for (int i = 0; i < 4; ++i)
      for (const char* head : {"head.classification_head.conv", "head.regression_head.conv"})
        if (name.starts_with(fmt::format("{}.{}.0.", head, i)))
          renamed = fmt::format("{}.{}{}", head, 2 * i, name.substr(std::string(head).size() + 4));
    for (int i = 0; i < 3; ++i)
      for (const char* list : {"backbone.fpn.inner_blocks", "backbone.fpn.layer_blocks"})
        if (name.starts_with(fmt::format("{}.{}.0.", list, i)))
          renamed = fmt::format("{}.{}{}", list, i, name.substr(std::string(list).size() + 4));
    old[renamed] = shape;
  }
  REQUIRE(old.contains("head.regression_head.conv.6.bias"));
  const Recognized recognized = recognize(file_of(old));
  CHECK(recognized.family == WeightFamily::Torchvision2020);
  CHECK((recognized.model.backbone.norm == Norm::FrozenBatch && recognized.model.backbone.norm_epsilon == 0));
  CHECK(assumes(recognized, "model.backbone.norm_epsilon"));
  // Under the names of today the same may be of any later training.
  const Recognized later = recognize(file_of(without(torchvision_state("retinanet_resnet50_fpn"), "num_batches")));
  CHECK((later.model.backbone.norm == Norm::FrozenBatch && later.model.backbone.norm_epsilon < 0));
}

TEST_CASE("detectron2's, mmdetection's and ODTK's networks are told, with what is usual of them", "[recognize]") {
  const Recognized detectron = recognize(file_of(detectron2_state(kBlocksOf101)));
  CHECK(detectron.family == WeightFamily::Detectron2);
  CHECK(network_words(detectron.model) ==
        "ResNet-101, P6 from C5, heads of 4 convolutions, 9 anchors a location, 80 classes");
  CHECK((detectron.model.backbone.stride_in_1x1 && !detectron.model.anchors.rounded));
  CHECK((detectron.model.fpn.relu_before_p7 && detectron.model.anchors.offset == 0));
  CHECK(detectron.deviation[0] == 1.0 / 255);

  const Recognized mmdetection = recognize(file_of(mmdetection_state()));
  CHECK(mmdetection.family == WeightFamily::MMDetection);
  CHECK(network_words(mmdetection.model) ==
        "ResNeXt-101 32x4d, P6 from C5, heads of 4 convolutions, 9 anchors a location, 80 classes");
  CHECK_FALSE(mmdetection.model.fpn.relu_before_p7);
  CHECK((assumes(mmdetection, "model.fpn.relu_before_p7") && assumes(mmdetection, "input.mean")));
  const Recognized of_caffe = recognize(file_of(mmdetection_state()), WeightFamily::MMDetectionCaffe);
  CHECK((of_caffe.family == WeightFamily::MMDetectionCaffe && of_caffe.deviation[2] == 1.0 / 255));
  CHECK_FALSE(of_caffe.model.backbone.stride_in_1x1);  // a ResNeXt

  const Recognized odtk = recognize(file_of(odtk_state()));
  CHECK(odtk.family == WeightFamily::Odtk);
  CHECK(network_words(odtk.model) ==
        "ResNet-50, P6 from C5, heads of 4 convolutions, 9 anchors a location, 20 classes");
  CHECK((odtk.model.anchors.offset == 0.5 && odtk.model.anchors.inclusive && assumes(odtk, "model.anchors.offset")));
}

TEST_CASE("every kind, depth and width of backbone is told under every family's names", "[recognize]") {
  std::vector<BackboneConfig> backbones;
  for (const BackboneKind kind :
       {BackboneKind::ResNet, BackboneKind::ResNeXt, BackboneKind::Vgg, BackboneKind::Inception})
    for (const int depth : depths_of(kind)) backbones.push_back({.kind = kind, .depth = depth});
  backbones.push_back({.depth = 50, .group_width = 128});
  backbones.push_back({.depth = 18, .layers = {1, 1, 2, 1}, .width_divisor = 8, .stem_width = 8});
  backbones.push_back({.depth = 50, .layers = {1, 1, 1, 1}, .width_divisor = 4, .stem_width = 16});
  backbones.push_back({.kind = BackboneKind::ResNeXt, .depth = 101, .groups = 64, .group_width = 4});
  backbones.push_back({.kind = BackboneKind::ResNeXt, .depth = 50, .groups = 4, .group_width = 16, .width_divisor = 8});
  backbones.push_back({.kind = BackboneKind::Vgg, .depth = 16, .layers = {1, 1, 1, 1, 1}, .width_divisor = 8});
  backbones.push_back({.kind = BackboneKind::Vgg, .depth = 13, .norm = Norm::None});
  backbones.push_back({.kind = BackboneKind::Inception, .depth = 48, .width_divisor = 4});
  backbones.push_back({.depth = 34, .norm = Norm::Group});
  for (const BackboneConfig& backbone : backbones)
    for (const FamilyTraits& traits : weight_families()) {
      CAPTURE(backbone_name(backbone), traits.word);
      ModelConfig config;
      config.backbone = backbone;
      config.classes = 7;
      config.head.convolutions = traits.family == WeightFamily::Odtk ? 4 : 2;
      config.anchors.octaves = {0, 0.5};
      if (!missing_in(traits.family, config).empty()) continue;
      const Recognized recognized = recognize(file_of(state_of(config, traits.family)), traits.family);
      CHECK(same_network(recognized.model.backbone, backbone));
      CHECK((recognized.model.classes == 7 && recognized.anchors_per_location == 6));
      CHECK(recognized.model.anchors.octaves == config.anchors.octaves);
      CHECK(recognized.model.head.convolutions == config.head.convolutions);
      CHECK((recognized.model.fpn.p6_from_c5 || assumes(recognized, "model.fpn.p6_from_c5")));
    }
}

TEST_CASE("P6's source, which shapes do not tell where channels are equal, is assumed and said", "[recognize]") {
  ModelConfig config;
  config.backbone.depth = 18;
  for (const int channels : {256, 512})
    for (const bool from_c5 : {true, false}) {
      config.fpn = {.channels = channels, .p6_from_c5 = from_c5};
      const Recognized recognized = recognize(file_of(state_of(config, WeightFamily::Torchvision)));
      const bool told = channels != 512;
      CHECK(assumes(recognized, "model.fpn.p6_from_c5") == !told);
      CHECK(recognized.model.fpn.p6_from_c5 == (told && from_c5));
    }
}

TEST_CASE("anchors that are no octaves of three ratios are left to who uses the network", "[recognize]") {
  ModelConfig config;
  config.backbone.depth = 18;
  config.anchors.ratios = {0.5, 0.7, 1, 1.4, 2};
  config.anchors.octaves = {0};
  const Recognized recognized = recognize(file_of(state_of(config, WeightFamily::Torchvision)));
  CHECK((recognized.anchors_per_location == 5 && recognized.model.classes == 80));
}

namespace {

// detectron2's, of sizes and ratios: all ratios of a size, then the next.
std::vector<float> cells_of(const std::vector<double>& sizes, const std::vector<double>& ratios) {
  std::vector<float> cells;
  for (const double size : sizes)
    for (const double ratio : ratios) {
      const double width = std::sqrt(size * size / ratio), height = ratio * width;
      for (const double edge : {-width / 2, -height / 2, width / 2, height / 2})
        cells.push_back(static_cast<float>(edge));
    }
  return cells;
}

struct Buffers {
  std::map<std::string, StoredTensor> tensors = file_of(detectron2_state(kBlocksOf50)).tensors();
  std::deque<std::vector<float>> values;
  void add(const std::string& name, std::vector<int64_t> shape, std::vector<float> given) {
    values.push_back(std::move(given));
    tensors[name] = {"F32", std::move(shape), std::as_bytes(std::span(values.back())), {}};
  }
  TensorFile file() const { return {"model.pth", "PyTorch", nullptr, tensors, {}}; }
};

}  // namespace

TEST_CASE("detectron2's anchors are taken from its file, where it has them", "[recognize]") {
  Buffers buffers;
  for (int level = 0; level < 5; ++level) {
    const double size = 20 << level;
    buffers.add(fmt::format("anchor_generator.cell_anchors.{}", level), {9, 4},
                cells_of({size, size * std::exp2(0.5), size * 1.9}, {0.33, 1, 3}));
  }
  const Recognized recognized = recognize(buffers.file());
  const AnchorConfig& anchors = recognized.model.anchors;
  CHECK(anchors.sizes == std::array<double, 5>{20, 40, 80, 160, 320});
  CHECK(anchors.ratios == std::vector<double>{0.33, 1, 3});
  CHECK(anchors.octaves[1] == 0.5);
  CHECK(std::abs(anchors.octaves[2] - std::log2(1.9)) < 1e-6);
  CHECK_FALSE(assumes(recognized, "model.anchors.sizes"));

  buffers.add("anchor_generator.cell_anchors.3", {9, 4}, cells_of({7, 8, 9}, {0.33, 1, 3}));
  CHECK_THAT(refusal_of([&] { recognize(buffers.file()); }), Contains("cell_anchors.3' holds anchors that are not"));
  buffers.add("anchor_generator.cell_anchors.3", {9, 4}, std::vector<float>(36, NAN));
  CHECK_THAT(refusal_of([&] { recognize(buffers.file()); }), Contains("boxes without width"));
  buffers.add("anchor_generator.cell_anchors.0", {3, 4}, cells_of({7}, {0.33, 1, 3}));
  CHECK_THAT(refusal_of([&] { recognize(buffers.file()); }), Contains("cell_anchors.0' has shape [3, 4]"));
}

TEST_CASE("detectron2's pixel means tell the order of colors and the scale", "[recognize]") {
  Buffers buffers;
  buffers.add("pixel_mean", {3, 1, 1}, {103.53f, 116.28f, 123.675f});
  buffers.add("pixel_std", {3, 1, 1}, {1, 1, 1});
  const Recognized caffe = recognize(buffers.file());
  CHECK(caffe.family == WeightFamily::Detectron2);
  CHECK(caffe.mean == std::array<double, 3>{0.485, 0.456, 0.406});
  CHECK((caffe.deviation[0] == 1.0 / 255 && caffe.model.backbone.stride_in_1x1 && !assumes(caffe, "input.mean")));

  buffers.add("pixel_mean", {3, 1, 1}, {123.675f, 116.28f, 103.53f});
  buffers.add("pixel_std", {3, 1, 1}, {58.395f, 57.12f, 57.375f});
  const Recognized rgb = recognize(buffers.file());
  CHECK(rgb.family == WeightFamily::Detectron2Rgb);
  CHECK(rgb.mean == std::array<double, 3>{0.485, 0.456, 0.406});
  CHECK(rgb.deviation == std::array<double, 3>{0.229, 0.224, 0.225});
  CHECK_FALSE(rgb.model.backbone.stride_in_1x1);
}

namespace {

std::string why_not(const Shapes& shapes, std::optional<WeightFamily> named = std::nullopt) {
  return refusal_of([&] { recognize(file_of(shapes), named); });
}

}  // namespace

TEST_CASE("fault: what is no RetinaNet, or none that can be built, is refused with the tensor that tells",
          "[recognize]") {
  CHECK_THAT(why_not({{"roi_heads.box_predictor.cls_score.weight", {91, 1024}}}), Contains("a Faster or Mask R-CNN"));
  CHECK_THAT(why_not({{"model.0.conv.weight", {32, 3, 6, 6}}}), Contains("'model.0.conv.weight' is of a YOLO"));
  CHECK_THAT(why_not({{"bbox_head.conv_cls.weight", {80, 256, 3, 3}}}), Contains("not its RetinaHead"));
  CHECK_THAT(why_not({{"conv1.weight", {64, 3, 7, 7}}, {"fc.weight", {1000, 512}}}), Contains("holds no detector"));
  CHECK_THAT(why_not({}), Contains("holds no detector"));

  const Shapes whole = detectron2_state(kBlocksOf50);
  const auto changed = [&](const std::string& name, const std::vector<int64_t>& shape) {
    Shapes shapes = whole;
    shapes[name] = shape;
    return why_not(shapes);
  };
  CHECK_THAT(why_not(without(whole, "fpn_lateral4.bias")), Contains("'backbone.fpn_lateral4.bias' is missing"));
  CHECK_THAT(why_not(without(whole, "top_block.p7")), Contains("top_block.p7"));
  CHECK_THAT(why_not(without(whole, "res4")), Contains("'backbone.bottom_up.res4.0.conv1.weight' is missing"));
  CHECK_THAT(why_not(without(whole, "bbox_pred.bias")), Contains("'head.bbox_pred.bias' is missing"));
  CHECK_THAT(changed("head.cls_score.bias", {721}), Contains("has 721 values, which is no number of classes"));
  CHECK_THAT(changed("head.bbox_pred.bias", {35}), Contains("no boxes of anchors"));
  CHECK_THAT(changed("head.cls_score.bias", {2, 5}), Contains("shape [2, 5]"));
  CHECK_THAT(changed("head.cls_score.weight", {720, 128, 3, 3}), Contains("'head.cls_score.weight' has shape"));
  CHECK_THAT(changed("head.cls_subnet.2.weight", {256, 256, 1, 1}), Contains("has shape [256, 256, 1, 1], not"));
  CHECK_THAT(changed("backbone.fpn_lateral3.norm.weight", {256}), Contains("has no place in a ResNet-50"));
  CHECK_THAT(changed("backbone.bottom_up.res3.1.conv2_offset.weight", {18, 128, 3, 3}), Contains("has no place"));
  CHECK_THAT(changed("backbone.fpn_lateral2.weight", {256, 256, 1, 1}), Contains("'backbone.fpn_lateral2.weight'"));

  const std::string layer = "backbone.bottom_up.res2.0.conv3.weight";
  for (const int64_t size : {int64_t{0}, int64_t{-1}, int64_t{5}, int64_t{1} << 40, INT64_MAX}) {
    CAPTURE(size);
    CHECK_THAT(changed(layer, {size, 64, 1, 1}), Contains(layer));
    CHECK_THAT(changed("head.cls_score.bias", {size}), Contains("head.cls_score.bias"));
    CHECK_THAT(changed("backbone.fpn_lateral3.weight", {size, 512, 1, 1}), Contains("tensor 'backbone."));
    CHECK_THAT(changed("backbone.bottom_up.stem.conv1.weight", {size, 3, 7, 7}), Contains("tensor 'backbone."));
  }
  CHECK_THAT(changed("head.\x1b[31m", {3}), Contains("\\x1b[31m"));

  Shapes two = odtk_state();
  two["backbones.ResNet18FPN.features.conv1.weight"] = {64, 3, 7, 7};
  CHECK_THAT(why_not(two), Contains("is of a second backbone beside"));
  CHECK_THAT(why_not(whole, WeightFamily::Odtk), Contains("have not ODTK's names, but detectron2's"));
  CHECK_THAT(why_not({}, WeightFamily::Odtk), Contains("have not ODTK's names"));
}

TEST_CASE("fault: names and shapes at random are recognized or refused, and nothing else", "[recognize]") {
  std::mt19937 random(11);
  const auto pick = [&](size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random); };
  const std::vector<Shapes> states{detectron2_state(kBlocksOf50), mmdetection_state(), odtk_state(),
                                   torchvision_state("retinanet_resnet50_fpn_v2")};
  const std::vector<int64_t> sizes{0,         1,        -1, 2, 3, 7, 36, 64, 255, 256, 2048, 65536, int64_t{1} << 31,
                                   INT64_MAX, INT64_MIN};
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    Shapes shapes = states[pick(states.size())];
    for (size_t change = 0; change <= pick(4); ++change) {
      const auto at = std::next(shapes.begin(), static_cast<int64_t>(pick(shapes.size())));
      const auto shape = at->second;
      std::string name = at->first;
      switch (pick(4)) {
        case 0:
          shapes.erase(at);
          break;
        case 1:
          at->second.assign(pick(6), sizes[pick(sizes.size())]);
          break;
        case 2:
          if (!shape.empty()) at->second[pick(shape.size())] = sizes[pick(sizes.size())];
          break;
        default:
          name[pick(name.size())] = static_cast<char>(pick(256));
          shapes[name] = shape;
      }
    }
    try {
      const TensorFile file = file_of(shapes);
      const Recognized recognized = recognize(file);
      CHECK(names_taken(file, recognized).size() == shapes.size());
    } catch (const Error& error) {
      ++refused;
      CHECK(error.kind() == ErrorKind::Data);
    }
  }
  CHECK(refused > 300);
}
