// Other programs' names and layouts: the same network from their files.
#include "model/weight_family.h"

#include "model/family_tensors.h"
#include "model/recognize.h"
#include "tests/model/golden_network.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// The name in a family, written down by hand.
struct NamePair {
  WeightFamily family;
  const char *own, *theirs;
};
const NamePair kNamePairs[] = {
    {WeightFamily::Torchvision, "backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn.inner_blocks.0.0.weight"},
    {WeightFamily::Torchvision2020, "backbone.fpn.inner_blocks.2.0.bias", "backbone.fpn.inner_blocks.2.bias"},
    {WeightFamily::Torchvision2020, "head.classification_head.conv.3.0.weight",
     "head.classification_head.conv.6.weight"},
    {WeightFamily::Torchvision2020, "head.regression_head.bbox_reg.bias", "head.regression_head.bbox_reg.bias"},
    {WeightFamily::Detectron2, "backbone.body.conv1.weight", "backbone.bottom_up.stem.conv1.weight"},
    {WeightFamily::Detectron2, "backbone.body.bn1.running_var", "backbone.bottom_up.stem.conv1.norm.running_var"},
    {WeightFamily::Detectron2, "backbone.body.layer3.22.conv2.weight", "backbone.bottom_up.res4.22.conv2.weight"},
    {WeightFamily::Detectron2, "backbone.body.layer1.0.bn3.bias", "backbone.bottom_up.res2.0.conv3.norm.bias"},
    {WeightFamily::Detectron2, "backbone.body.layer4.0.downsample.0.weight",
     "backbone.bottom_up.res5.0.shortcut.weight"},
    {WeightFamily::Detectron2, "backbone.body.layer4.0.downsample.1.weight",
     "backbone.bottom_up.res5.0.shortcut.norm.weight"},
    {WeightFamily::Detectron2Rgb, "backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn_lateral3.weight"},
    {WeightFamily::Detectron2, "backbone.fpn.layer_blocks.2.0.bias", "backbone.fpn_output5.bias"},
    {WeightFamily::Detectron2, "backbone.fpn.extra_blocks.p7.weight", "backbone.top_block.p7.weight"},
    {WeightFamily::Detectron2, "head.classification_head.conv.3.0.weight", "head.cls_subnet.6.weight"},
    {WeightFamily::Detectron2, "head.regression_head.conv.0.0.bias", "head.bbox_subnet.0.bias"},
    {WeightFamily::Detectron2, "head.classification_head.cls_logits.weight", "head.cls_score.weight"},
    {WeightFamily::Detectron2, "head.regression_head.bbox_reg.bias", "head.bbox_pred.bias"},
    {WeightFamily::MMDetection, "backbone.body.layer2.3.bn1.weight", "backbone.layer2.3.bn1.weight"},
    {WeightFamily::MMDetection, "backbone.fpn.inner_blocks.1.0.weight", "neck.lateral_convs.1.conv.weight"},
    {WeightFamily::MMDetection, "backbone.fpn.layer_blocks.0.0.bias", "neck.fpn_convs.0.conv.bias"},
    {WeightFamily::MMDetectionCaffe, "backbone.fpn.extra_blocks.p6.bias", "neck.fpn_convs.3.conv.bias"},
    {WeightFamily::MMDetection, "backbone.fpn.extra_blocks.p7.bias", "neck.fpn_convs.4.conv.bias"},
    {WeightFamily::MMDetection, "head.classification_head.conv.2.0.weight", "bbox_head.cls_convs.2.conv.weight"},
    {WeightFamily::MMDetection, "head.regression_head.conv.2.1.bias", "bbox_head.reg_convs.2.gn.bias"},
    {WeightFamily::MMDetection, "head.classification_head.cls_logits.bias", "bbox_head.retina_cls.bias"},
    {WeightFamily::Odtk, "backbone.body.layer2.0.downsample.1.running_mean",
     "backbones.ResNet50FPN.features.layer2.0.downsample.1.running_mean"},
    {WeightFamily::Odtk, "backbone.fpn.inner_blocks.2.0.weight", "backbones.ResNet50FPN.lateral5.weight"},
    {WeightFamily::Odtk, "backbone.fpn.layer_blocks.1.0.weight", "backbones.ResNet50FPN.smooth4.weight"},
    {WeightFamily::Odtk, "backbone.fpn.extra_blocks.p6.weight", "backbones.ResNet50FPN.pyramid6.weight"},
    {WeightFamily::Odtk, "head.classification_head.conv.1.0.weight", "cls_head.2.weight"},
    {WeightFamily::Odtk, "head.classification_head.cls_logits.bias", "cls_head.8.bias"},
    {WeightFamily::Odtk, "head.regression_head.bbox_reg.weight", "box_head.8.weight"},
    {WeightFamily::Odtk, "optimizer.momentum", "optimizer.momentum"}};

}  // namespace

TEST_CASE("each family's table gives the names that its programs have", "[weight_family]") {
  const ModelConfig config;
  for (const NamePair& pair : kNamePairs) CHECK(family_name(pair.family, pair.own, config) == pair.theirs);
}

TEST_CASE("no two tensors of a network get one name in a family", "[weight_family]") {
  ModelConfig config;
  for (const FamilyTraits& traits : weight_families()) {
    CAPTURE(traits.word);
    CHECK(&traits == &traits_of(traits.family));
    std::set<std::string> names;
    const ParameterStore store = parameters_of(config);
    for (const Parameter& p : store.all()) names.insert(family_name(traits.family, p.name, config));
    CHECK(names.size() == store.all().size());
  }
}

TEST_CASE("what a family's network cannot have is said", "[weight_family]") {
  ModelConfig config;
  for (const FamilyTraits& traits : weight_families()) CHECK(missing_in(traits.family, config).empty());
  config.head.norm = Norm::Group;
  CHECK(missing_in(WeightFamily::Detectron2, config) == "heads with group norm and without biases");
  CHECK(missing_in(WeightFamily::MMDetection, config).empty());
  config = {};
  config.backbone.kind = BackboneKind::Vgg;
  config.backbone.depth = 16;
  CHECK(missing_in(WeightFamily::Odtk, config) == "a backbone VGG-16");
  CHECK(missing_in(WeightFamily::Torchvision, config).empty());
  config = {};
  config.backbone.width_divisor = 2;
  CHECK_FALSE(missing_in(WeightFamily::Odtk, config).empty());
  // What tensors do not show, the other program can be told.
  config = {};
  config.fpn.p6_from_c5 = config.fpn.relu_before_p7 = false;
  for (const FamilyTraits& traits : weight_families()) CHECK(missing_in(traits.family, config).empty());
}

namespace {

// A family's anchors of a location in its order, as its own program makes them: octave and ratio of each.
std::vector<std::pair<double, double>> anchors_in_order(WeightFamily family) {
  std::vector<std::pair<double, double>> anchors;
  const std::vector<double> octaves{0, 1.0 / 3, 2.0 / 3};
  if (family == WeightFamily::Detectron2 || family == WeightFamily::Detectron2Rgb) {
    for (const double octave : octaves)
      for (const double ratio : {0.5, 1.0, 2.0}) anchors.emplace_back(octave, ratio);
  } else if (family == WeightFamily::Odtk) {
    for (const double octave : octaves)
      for (const double ratio : {1.0, 2.0, 0.5}) anchors.emplace_back(octave, ratio);
  } else {  // mmdetection multiplies [ratios, 1] by [1, scales]
    for (const double ratio : {0.5, 1.0, 2.0})
      for (const double octave : octaves) anchors.emplace_back(octave, ratio);
  }
  return anchors;
}

// What a family's program has of the golden network: rows of the heads in its order of anchors, and a first convolution
// for BGR where it reads images so.
struct ForeignFile {
  std::map<std::string, StoredTensor> tensors;
  std::deque<std::vector<float>> values;

  ForeignFile(const SafetensorsFile& own, const ModelConfig& config, WeightFamily family) {
    const bool bgr = family == WeightFamily::Detectron2 || family == WeightFamily::MMDetectionCaffe;
    for (const auto& [name, tensor] : own.tensors()) {
      std::vector<float> given = own.read<float>(name), theirs;
      if (name.find("cls_logits") != name.npos || name.find("bbox_reg") != name.npos) {
        const size_t row = given.size() / static_cast<size_t>(config.anchors.per_location());
        for (const auto& [octave, ratio] : anchors_in_order(family))
          for (size_t ours = 0; ours < 9; ++ours)
            if (config.anchors.ratios[ours / 3] == ratio && config.anchors.octaves[ours % 3] == octave)
              theirs.insert(theirs.end(), given.begin() + static_cast<int64_t>(ours * row),
                            given.begin() + static_cast<int64_t>((ours + 1) * row));
      } else if (name == "backbone.body.conv1.weight" && bgr) {
        const auto window = static_cast<int64_t>(tensor.shape[2] * tensor.shape[3]);
        for (int64_t out = 0; out < tensor.shape[0]; ++out)
          for (const int64_t channel : {2, 1, 0})
            theirs.insert(theirs.end(), given.begin() + (out * 3 + channel) * window,
                          given.begin() + (out * 3 + channel + 1) * window);
      } else {
        theirs = given;
      }
      REQUIRE(theirs.size() == given.size());
      values.push_back(std::move(theirs));
      tensors["model." + family_name(family, name, config)] = {
          "F32", tensor.shape, std::as_bytes(std::span(values.back())), {}};
    }
  }
};

}  // namespace

TEST_CASE("a network in another program's layout is the one under torchvision's names, and goes back there",
          "[weight_family][golden]") {
  for (const char* network : {"narrow_basic", "narrow_bottleneck", "narrow_resnext"}) {
    const SafetensorsFile own = golden(std::string(network) + ".weights");
    const ModelConfig config = golden_config(own);
    for (const WeightFamily family : {WeightFamily::Detectron2, WeightFamily::Detectron2Rgb, WeightFamily::MMDetection,
                                      WeightFamily::MMDetectionCaffe}) {
      CAPTURE(network, traits_of(family).word);
      const ForeignFile foreign(own, config, family);
      const TensorFile file("x.pth", "PyTorch", nullptr, foreign.tensors, {});
      const Recognized recognized = recognize(file, family);
      CHECK(recognized.model.classes == config.classes);
      const TensorFile same = as_own(file, recognized);
      CHECK(same.tensors().size() == own.tensors().size());
      for (const auto& [name, tensor] : own.tensors()) {
        CAPTURE(name);
        CHECK(same.read<float>(name) == own.read<float>(name));
        const auto bytes = std::as_bytes(std::span(tensor.data));
        const auto theirs = to_family(family, name, bytes, tensor.shape, config);
        const auto& given = foreign.tensors.at("model." + family_name(family, name, config)).data;
        CHECK(std::equal(theirs.begin(), theirs.end(), given.begin(), given.end()));
      }
      Context context(test_device(), Precision::F32);
      RetinaNet model(context, config, std::nullopt);
      CHECK(load_weights(same, model.parameters(), LoadMode::Exact).unused.empty());
    }
  }
}

TEST_CASE("tensors that a network does not need may be of any dtype, and NaN is refused by its tensor",
          "[weight_family][golden]") {
  const SafetensorsFile own = golden("narrow_bottleneck.weights");
  const ModelConfig config = golden_config(own);
  ForeignFile foreign(own, config, WeightFamily::Detectron2);
  static constexpr std::byte kByte{};
  foreign.tensors["scheduler.x"] = {"F8_E4M3", {1}, {&kByte, 1}, {}};
  foreign.tensors["ema.y"] = {"no dtype", {1}, {&kByte, 1}, {}};
  Context context(test_device(), Precision::F32);
  RetinaNet model(context, config, std::nullopt);
  const auto load = [&] {
    const TensorFile file("x.pth", "PyTorch", nullptr, foreign.tensors, {});
    return load_weights(as_own(file, recognize(file)), model.parameters(), LoadMode::Exact).unused;
  };
  CHECK(load() == std::vector<std::string>{"ema.y", "scheduler.x"});
  std::vector<float> broken = own.read<float>("backbone.body.layer1.0.conv2.weight");
  broken[7] = NAN;
  foreign.tensors.at("model.backbone.bottom_up.res2.0.conv2.weight").data = std::as_bytes(std::span(broken));
  CHECK_THROWS_WITH(load(), Catch::Contains("'backbone.body.layer1.0.conv2.weight' holds numbers that are not finite"));
}

TEST_CASE("ODTK's rows of anchors find their places, of any dtype", "[weight_family]") {
  const ModelConfig config;
  const auto order = anchors_in_order(WeightFamily::Odtk);
  std::vector<uint16_t> theirs;  // of each value: its anchor in ODTK's order, and its column
  for (uint16_t anchor = 0; anchor < 9; ++anchor)
    for (uint16_t column = 0; column < 8; ++column) theirs.push_back(static_cast<uint16_t>(anchor * 100 + column));
  const auto bytes = from_family(WeightFamily::Odtk, "head.regression_head.bbox_reg.weight",
                                 std::as_bytes(std::span(theirs)), {36, 2, 1, 1}, config);
  std::vector<uint16_t> ours(theirs.size());
  std::memcpy(ours.data(), bytes.data(), bytes.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    const auto [octave, ratio] = order[ours[i] / 100];
    CHECK((config.anchors.ratios[i / 8 / 3] == ratio && config.anchors.octaves[i / 8 % 3] == octave));
    CHECK(ours[i] % 100 == static_cast<int>(i % 8));
  }
  CHECK_FALSE(is_rearranged(WeightFamily::Odtk, "backbone.body.conv1.weight"));
  CHECK_FALSE(is_rearranged(WeightFamily::Odtk, "head.regression_head.conv.0.0.weight"));
}
