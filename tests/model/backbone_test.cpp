// Backbones at full size, against what torchvision publishes of its classifiers; and what each stage of them is.
#include "model/backbone/backbone.h"

#include <regex>

#include "model/names.h"
#include "model/trace.h"
#include "tests/support/catch.h"

using namespace fovea;

namespace {

struct Published {
  const char* name;
  BackboneConfig config;
  int size;                   // of the images that the arithmetic is counted for
  int64_t parameters;         // `num_params` of torchvision's weights
  double gmacs;               // `_ops` of them, in 10⁹ multiply-adds
  int64_t of_the_classifier;  // parameters that a detector does not have
  double gmacs_of_the_classifier;
};

// Products of a fully connected layer.
constexpr int64_t linear(int64_t in, int64_t out) { return in * out + out; }
constexpr int64_t kVggClassifier = linear(7 * 7 * 512, 4096) + linear(4096, 4096) + linear(4096, 1000);
// Of the auxiliary classifier: a 1×1 and a 5×5 convolution with norms, and a fully connected layer.
constexpr int64_t kInceptionClassifiers =
    768 * 128 + 2 * 128 + 128 * 768 * 25 + 2 * 768 + linear(768, 1000) + linear(2048, 1000);

const Published kPublished[] = {
    {"ResNet-50", {}, 224, 25557032, 4.089, linear(2048, 1000), 0.002},
    {"Wide ResNet-50-2", {.group_width = 128}, 224, 68883240, 11.398, linear(2048, 1000), 0.002},
    {"ResNeXt-50 32x4d", {.kind = BackboneKind::ResNeXt}, 224, 25028904, 4.230, linear(2048, 1000), 0.002},
    {"ResNeXt-101 32x8d",
     {.kind = BackboneKind::ResNeXt, .depth = 101},
     224,
     88791336,
     16.414,
     linear(2048, 1000),
     0.002},
    {"VGG-11",
     {.kind = BackboneKind::Vgg, .depth = 11, .norm = Norm::None},
     224,
     132863336,
     7.609,
     kVggClassifier,
     0.124},
    {"VGG-13",
     {.kind = BackboneKind::Vgg, .depth = 13, .norm = Norm::None},
     224,
     133047848,
     11.308,
     kVggClassifier,
     0.124},
    {"VGG-16",
     {.kind = BackboneKind::Vgg, .depth = 16, .norm = Norm::None},
     224,
     138357544,
     15.470,
     kVggClassifier,
     0.124},
    {"VGG-16", {.kind = BackboneKind::Vgg, .depth = 16}, 224, 138365992, 15.470, kVggClassifier, 0.124},
    {"VGG-19",
     {.kind = BackboneKind::Vgg, .depth = 19, .norm = Norm::None},
     224,
     143667240,
     19.632,
     kVggClassifier,
     0.124},
    {"Inception v3",
     {.kind = BackboneKind::Inception, .depth = 48},
     299,
     27161264,
     5.713,
     kInceptionClassifiers,
     0.002}};

bool is_statistic(const std::string& name) { return name.find(".running_") != std::string::npos; }

// The parameters of each of the five stages, as patterns of their names behind "backbone.body.".
struct Stages {
  BackboneConfig config;
  std::array<const char*, 5> names;
};
const Stages kStages[] = {
    {{.depth = 18, .width_divisor = 8}, {"(conv|bn)1", "layer1", "layer2", "layer3", "layer4"}},
    {{.kind = BackboneKind::ResNeXt, .width_divisor = 8}, {"(conv|bn)1", "layer1", "layer2", "layer3", "layer4"}},
    {{.kind = BackboneKind::Vgg, .depth = 16, .width_divisor = 8, .norm = Norm::None},
     {"[02]", "[57]", "1[024]", "17|19|21", "2[468]"}},
    {{.kind = BackboneKind::Vgg, .depth = 16, .width_divisor = 8},
     {"[0134]", "7|8|1[01]", "1[4578]|2[01]", "2[4578]|3[01]", "3[4578]|4[01]"}},
    {{.kind = BackboneKind::Inception, .depth = 48, .width_divisor = 8},
     {"Conv2d_[12].*", "Conv2d_[34].*", "Mixed_5.", "Mixed_6.", "Mixed_7."}}};

}  // namespace

TEST_CASE("backbones have the parameters and the arithmetic that torchvision publishes", "[backbone]") {
  for (const Published& published : kPublished) {
    CAPTURE(published.name);
    CHECK(backbone_name(published.config) == published.name);
    ModelConfig config;
    config.backbone = published.config;
    Context context(DeviceKind::Cpu, Precision::F32);
    RetinaNet model(context, config, std::nullopt);
    int64_t parameters = 0;
    for (const Parameter& p : model.parameters().all())
      if (p.name.starts_with(names::kBackbone) && !is_statistic(p.name)) parameters += p.shape.count();
    CHECK(parameters + published.of_the_classifier == published.parameters);
    double macs = 0;
    for (const ConvTrace& layer : traced_layers(context, model, {1, published.size, published.size, 3}, false))
      if (layer.name.starts_with(names::kBackbone)) macs += static_cast<double>(layer.shape.macs());
    // Both published and the classifier's are rounded to a million.
    CHECK(macs / 1e9 + published.gmacs_of_the_classifier == Approx(published.gmacs).margin(0.001));
  }
}

TEST_CASE("frozen stages are counted from the input, in every kind of backbone", "[backbone]") {
  for (const auto& [usual, stages] : kStages)
    for (int frozen = 0; frozen <= 5; ++frozen) {
      BackboneConfig config = usual;
      config.frozen_stages = frozen;
      if (config.norm != Norm::None) config.norm = Norm::Batch;  // whose scale and shift are trained as well
      ParameterStore store;
      const auto backbone = make_backbone(store, config);
      CAPTURE(backbone_name(config), frozen);
      for (const Parameter& p : store.all()) {
        const std::string name = p.name.substr(std::string_view(names::kBackbone).size());
        CAPTURE(name);
        int stage = -1;
        for (int i = 0; i < 5; ++i)
          if (std::regex_match(name.substr(0, name.find('.')), std::regex(stages[static_cast<size_t>(i)]))) stage = i;
        REQUIRE(stage >= 0);
        CHECK(p.trainable == (!is_statistic(p.name) && stage >= frozen));
      }
    }
}
