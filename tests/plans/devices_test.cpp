// Plans for GPUs other than the H200, from their descriptions (tests/data/devices): that each convolution of R50 has
// one, what falls back, and that the model of costs knows the device.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "kernels/conv/cuda/conv_ways.h"
#include "tests/plans/network_layers.h"
#include "tests/support/catch.h"

using namespace fovea;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvWay;

namespace {

struct Listed {
  const char* file;
  int sm;
  bool bf16, native;  // native: cuDNN has kernels with clusters for it
};
const Listed kGpus[] = {{"a100", 80, true, false}, {"l4", 89, true, false},   {"rtx4090", 89, true, false},
                        {"h100", 90, true, true},  {"b200", 100, true, true}, {"t4", 75, false, false}};

cudnn::Device device_of(const Listed& gpu) {
  std::ifstream file(FOVEA_TEST_DATA "/devices/" + std::string(gpu.file) + ".json");
  std::stringstream text;
  text << file.rdbuf();
  return cudnn::Device::described(text.str());
}

const std::vector<ConvTrace>& r50() {
  static const std::vector<ConvTrace> layers = [] {
    Context context(DeviceKind::Cpu, Precision::F32);
    RetinaNet model(context, test::network(50), std::nullopt);
    std::vector<ConvTrace> distinct;
    for (const ConvTrace& layer : test::layers_at(model, context, {800, 800}))
      if (std::none_of(distinct.begin(), distinct.end(), [&](const ConvTrace& other) {
            return other.shape == layer.shape && other.fusion == layer.fusion;
          }))
        distinct.push_back(layer);
    return distinct;
  }();
  return layers;
}

std::string text_of(const ConvShape& s) {
  return fmt::format("{}x{}x{}x{} {}x{}/{} {}", s.batch, s.in_h, s.in_w, s.in_c, s.kernel_h, s.kernel_w, s.stride,
                     s.out_c);
}

}  // namespace

TEST_CASE("plan: every convolution of R50 has a plan on A100, L4, RTX 4090, H100, B200 and T4", "[plans][devices]") {
  for (const Listed& gpu : kGpus) {
    const cudnn::Device device = device_of(gpu);
    CAPTURE(device.name());
    CHECK(device.sm() == gpu.sm);
    cudnn::Plans plans(device, "");
    kernels::ConvWays ways(plans, kernels::rates_of(device.name(), device.sm()));
    std::map<std::string, int> kinds;
    for (const DType dtype : {DType::BF16, DType::F32}) {
      if (dtype == DType::BF16 && !gpu.bf16) continue;
      for (const int batch : {1, 16})
        for (const ConvTrace& layer : r50())
          for (const ConvPass pass : {ConvPass::Forward, ConvPass::BackwardData, ConvPass::BackwardWeight}) {
            ConvShape shape = layer.shape;
            shape.batch = batch;
            const bool forward = pass == ConvPass::Forward;
            const ConvWay way = ways.all({pass, shape, dtype, forward && layer.fusion.add, forward && layer.fusion.bias,
                                          forward && layer.fusion.relu})
                                    .front();
            const auto look = plans.look(way.part_key(0));
            CAPTURE(layer.name, fovea::name_of(dtype), name_of(pass), text_of(shape), look.why);
            CHECK(way.possible);
            CHECK(look.built);
            // What has no kernel for the device's own tensor cores is told.
            const bool falls_back = dtype == DType::BF16 && gpu.native && look.info.hopper == 0;
            if (falls_back)
              fmt::print("{}: {}, {}, {}: {}, {}\n", device.name(), layer.name, name_of(pass), text_of(shape),
                         cudnn::name_of(look.info.kind, device.sm()), look.info.engine);
            ++kinds[std::string(fovea::name_of(dtype)) + ", " + cudnn::name_of(look.info.kind, device.sm())];
          }
    }
    for (const auto& [kind, count] : kinds) fmt::print("{}: {} plans: {}\n", device.name(), count, kind);
  }
}

TEST_CASE("plan: a T4 has no bf16 convolution, and says why", "[plans][devices]") {
  const cudnn::Device t4 = device_of(kGpus[5]);
  cudnn::Plans plans(t4, "");
  kernels::ConvWays ways(plans, kernels::rates_of(t4.name(), t4.sm()));
  Queue queue;
  CHECK_THROWS_WITH(
      ways.choose(queue, {ConvPass::Forward, {1, 20, 20, 64, 64, 3, 3, 1, 1, 1}, DType::BF16, false, true, true}),
      Catch::Contains("cuDNN has no engine for forward bf16") && Catch::Contains("hardware_bfloat16_supported") &&
          !Catch::Contains("\n"));
}

TEST_CASE("plan: costs are the device's own, and those of its architecture where it is not listed",
          "[plans][devices]") {
  using kernels::rates_of;
  CHECK(rates_of("NVIDIA H200", 90).bytes == Approx(4.3e12));
  CHECK(rates_of("NVIDIA H200", 90).native == Approx(700e12));
  CHECK(rates_of("NVIDIA H200", 90).older == Approx(450e12));
  CHECK(rates_of("NVIDIA H100 80GB HBM3", 90).bytes == Approx(4.3e12 * 3.35 / 4.8));
  CHECK(rates_of("NVIDIA L4", 89).bytes < rates_of("NVIDIA GeForce RTX 4090", 89).bytes);
  CHECK(rates_of("NVIDIA L40S", 89).bytes == rates_of("NVIDIA L4", 89).bytes);  // of its architecture the first
  CHECK(rates_of("NVIDIA A10", 86).native == rates_of("NVIDIA A100-SXM4-80GB", 80).native);
  CHECK_FALSE(rates_of("NVIDIA A100-SXM4-80GB", 80).has_older_kernels);
  CHECK(rates_of("NVIDIA B200", 100).has_older_kernels);
  CHECK(rates_of("some GPU", 200).native == rates_of("NVIDIA H200", 90).native);
}
