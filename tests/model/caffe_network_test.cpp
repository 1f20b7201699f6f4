// What networks of other programs do otherwise: strides in the 1×1 convolutions, no ReLU before P7, another epsilon.
#include "model/retinanet.h"
#include "tests/support/catch.h"
#include "tests/support/seeded.h"

using namespace fovea;

namespace {

ModelConfig narrow_bottlenecks() {
  ModelConfig config;
  config.backbone = {.depth = 50, .layers = {1, 1, 1, 1}, .width_divisor = 8, .stem_width = 8};
  config.fpn.channels = 16;
  config.head.convolutions = 1;
  config.classes = 2;
  return config;
}

// The parameters whose names hold `part`, changed; their values are in the order of their shapes.
void change(RetinaNet& model, const std::string& part,
            const std::function<void(const Parameter&, std::vector<float>&)>& f) {
  for (Parameter& p : model.parameters().all()) {
    if (p.name.find(part) == std::string::npos) continue;
    std::vector<float> values = p.value.to_host<float>();
    f(p, values);
    p.value.upload(values);
  }
  model.parameters().touch();
}

// The pyramid of one image.
std::vector<std::vector<float>> pyramid_of(const ModelConfig& config,
                                           const std::function<void(RetinaNet&)>& change_it) {
  Context context(DeviceKind::Cpu, Precision::F32, kernels::ConvAlgorithm::Direct);
  RetinaNet model(context, config, 3);
  change_it(model);
  Tape tape(context, false);
  const Tensor image = Tensor::from(context.memory, {1, 64, 96, 3}, test::seeded_uniform<float>(64 * 96 * 3, 5));
  std::vector<std::vector<float>> levels;
  for (const Tensor& level : model.pyramid(tape, model.features(tape, image))) levels.push_back(level.to_host<float>());
  return levels;
}

}  // namespace

TEST_CASE("a stride in the 1x1 convolution looks at the pixels that one in the middle of the 3x3 looks at",
          "[caffe_network]") {
  // Where the 3×3 convolutions have weights in their middle alone, it makes no difference which of the two has it.
  const auto only_middle = [](RetinaNet& model) {
    change(model, "conv2.weight", [](const Parameter& p, std::vector<float>& values) {
      const auto in = static_cast<size_t>(p.shape[3]);
      for (size_t i = 0; i < values.size(); ++i)
        if (i / in % 9 != 4) values[i] = 0;
    });
  };
  const auto as_drawn = [](RetinaNet&) {};
  ModelConfig in_3x3 = narrow_bottlenecks(), in_1x1 = in_3x3;
  in_1x1.backbone.stride_in_1x1 = true;
  CHECK(pyramid_of(in_3x3, only_middle) == pyramid_of(in_1x1, only_middle));
  CHECK(pyramid_of(in_3x3, as_drawn) != pyramid_of(in_1x1, as_drawn));
}

TEST_CASE("P7 is made from P6 as it is, or from what is above zero in it", "[caffe_network]") {
  // P6 is −2 everywhere, and P7 what lies in the middle of its window.
  const auto negative = [](RetinaNet& model) {
    change(model, "p6.weight", [](const Parameter&, std::vector<float>& values) { values.assign(values.size(), 0); });
    change(model, "p6.bias", [](const Parameter&, std::vector<float>& values) { values.assign(values.size(), -2); });
    change(model, "p7.bias", [](const Parameter&, std::vector<float>& values) { values.assign(values.size(), 0); });
    change(model, "p7.weight", [](const Parameter& p, std::vector<float>& values) {
      const auto in = static_cast<size_t>(p.shape[3]);
      for (size_t i = 0; i < values.size(); ++i) values[i] = i / in % 9 == 4 && i / in / 9 == i % in ? 1 : 0;
    });
  };
  ModelConfig config = narrow_bottlenecks();
  const std::vector<float> with_relu = pyramid_of(config, negative)[4];
  CHECK(with_relu == std::vector<float>(with_relu.size(), 0));
  config.fpn.relu_before_p7 = false;
  CHECK(pyramid_of(config, negative)[4] == std::vector<float>(with_relu.size(), -2));
}

TEST_CASE("a norm adds its epsilon to variances", "[caffe_network]") {
  const auto variance = [](float of_all) {
    return [of_all](RetinaNet& model) {
      change(model, "running_var",
             [&](const Parameter&, std::vector<float>& values) { values.assign(values.size(), of_all); });
    };
  };
  for (const BackboneKind kind : {BackboneKind::ResNet, BackboneKind::Vgg}) {
    ModelConfig one = narrow_bottlenecks();
    if (kind == BackboneKind::Vgg) one.backbone = {.kind = kind, .depth = 11, .width_divisor = 8};
    ModelConfig none = one;
    one.backbone.norm_epsilon = 1;
    none.backbone.norm_epsilon = 0;
    CHECK(pyramid_of(one, variance(3)) == pyramid_of(none, variance(4)));
    CHECK(pyramid_of(one, variance(3)) != pyramid_of(none, variance(3)));
  }
}
