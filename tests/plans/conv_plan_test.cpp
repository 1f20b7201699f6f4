// cuDNN's plan for every convolution of every network, found without a GPU from the description of an H200: that each
// has one, that the forward pass runs on Hopper's kernels at full rate, and which of the rest do not.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "kernels/conv/cuda/conv_ways.h"
#include "kernels/conv/cuda/cudnn_library.h"
#include "tests/plans/network_layers.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tools/analysis/plan_table.h"

using namespace fovea;
using fovea::test::network;
using kernels::ConvPass;
using kernels::ConvPlan;
using kernels::ConvShape;

namespace {

struct Input {
  Size2d size;
  int batch;
};
const Input kInputs[] = {{{800, 800}, 16}, {{512, 512}, 32}, {{800, 1344}, 1}};

using Layers = std::vector<ConvTrace>;

// For each input. How many images there are is said where the layers are planned.
std::vector<Layers> layers_of(const ModelConfig& config) {
  Context context(DeviceKind::Cpu, Precision::F32);
  RetinaNet model(context, config, std::nullopt);
  std::vector<Layers> all;
  for (const Input& input : kInputs) all.push_back(test::layers_at(model, context, input.size));
  return all;
}

const ConvPlan& used_plan(const LayerPlans& layer) {
  REQUIRE(!layer.plans.empty());
  REQUIRE(layer.plans.front().used);
  return layer.plans.front();
}

bool is_product(const ConvPlan& plan) { return plan.kernels == "cuBLASLt"; }

// cuDNN's plan, also where a matmul is used in its place.
const ConvPlan& cudnn_plan(const LayerPlans& layer) {
  const auto found = std::find_if_not(layer.plans.begin(), layer.plans.end(), is_product);
  REQUIRE(found != layer.plans.end());
  return *found;
}

// Every pass of every layer has a plan of cuDNN's that was built; a matmul may be used in its place.
void check_all_planned(const std::vector<LayerPlans>& plans) {
  for (const LayerPlans& layer : plans) {
    const ConvPlan& plan = cudnn_plan(layer);
    CAPTURE(layer.layer.name, name_of(layer.dtype), static_cast<int>(layer.pass), plan.graph);
    CHECK_FALSE(plan.engine.empty());
    CHECK(plan.built);
    CHECK((is_product(used_plan(layer)) || &used_plan(layer) == &plan));
  }
}

}  // namespace

TEST_CASE("plan: every convolution of every network has a plan in bf16 and fp32 at three sizes", "[plans][table]") {
  std::vector<LayerPlans> plans;
  std::vector<ModelConfig> networks{network(50),
                                    network(50, Norm::Batch),
                                    network(50, Norm::Group, Norm::Group),
                                    network(50, Norm::FrozenBatch, Norm::None, 91),
                                    network(18),
                                    network(34),
                                    network(101),
                                    network(152)};
  for (const BackboneConfig& backbone : test::other_backbones()) networks.push_back(network(backbone));
  for (const ModelConfig& config : networks) {
    const auto layers = layers_of(config);
    for (size_t i = 0; i < layers.size(); ++i) {
      kernels::Convolution convolution;  // its plans, hundreds of megabytes of them, are let go of with it
      for (const DType dtype : {DType::BF16, DType::F32})
        plan_layers(convolution, layers[i], dtype, kInputs[i].batch, plans);
    }
  }
  fmt::print("{}", plan_table(plans));
  check_all_planned(plans);
}

TEST_CASE("plan: each layer of R50's forward pass in bf16 is one kernel of Hopper's, all of it fused", "[plans]") {
  kernels::Convolution convolution;
  const auto layers = layers_of(network(50));
  for (size_t i = 0; i < layers.size(); ++i) {
    std::vector<LayerPlans> plans;
    plan_layers(convolution, layers[i], DType::BF16, kInputs[i].batch, plans);
    REQUIRE(plans.size() > 60);
    for (const LayerPlans& layer : plans) {
      if (layer.pass != ConvPass::Forward) continue;
      const ConvPlan& plan = used_plan(layer);
      const ConvShape& s = layer.layer.shape;
      CAPTURE(layer.layer.name, plan.graph, plan.engine, plan.passes, s.batch, s.in_h, s.in_w);
      CHECK(plan.hopper > 0);
      // One image does not fill the machine: there the heuristics prefer older kernels for a few small layers.
      if (s.batch > 1) CHECK(plan.kernels == "Hopper");
      const bool crops = s.out_c == 36;  // the deltas, 9·4, are padded to 40: a pass of our own adds their bias
      CHECK(plan.passes.empty() == (!crops && s.in_c != 3));
      if (crops) continue;
      CHECK(plan.graph.find("bias") != std::string::npos);
      CHECK((plan.graph.find("ReLU") != std::string::npos) == layer.layer.fusion.relu);
      CHECK((plan.graph.find("add") != std::string::npos) == layer.layer.fusion.add);
    }
  }
}

// Also where a matmul is taken in their place, which cuBLASLt picks kernels for on the GPU only.
TEST_CASE("plan: 98 % of the arithmetic of R50's gradients in bf16 is in kernels of Hopper's", "[plans]") {
  kernels::Convolution convolution;
  const auto layers = layers_of(network(50)).front();
  std::vector<LayerPlans> plans;
  plan_layers(convolution, layers, DType::BF16, kInputs[0].batch, plans);
  double all = 0, hopper = 0;
  for (const LayerPlans& layer : plans) {
    if (layer.pass == ConvPass::Forward) continue;
    const ConvPlan& plan = cudnn_plan(layer);
    const auto alike = std::count_if(layers.begin(), layers.end(), [&](ConvTrace other) {
      other.shape.batch = layer.layer.shape.batch;
      return other.shape == layer.layer.shape;
    });
    const double macs = static_cast<double>(layer.layer.shape.macs()) * static_cast<double>(alike);
    all += macs;
    if (plan.kernels == "Hopper")
      hopper += macs;
    else
      fmt::print("{}: {}, {}\n", layer.layer.name, plan.graph, plan.engine);
  }
  CAPTURE(hopper / all);
  CHECK(hopper > 0.98 * all);
}

TEST_CASE("plan: the grouped layers of a ResNeXt 32x4d have plans", "[plans]") {
  kernels::Convolution convolution;
  std::vector<ConvTrace> layers;
  const std::pair<int, int> stages[] = {{200, 128}, {100, 256}, {50, 512}, {25, 1024}};
  for (const auto& [size, channels] : stages)
    for (const int stride : {1, 2})
      layers.push_back({"32x4d",
                        {1, size * stride, size * stride, channels, channels, 3, 3, stride, 1, 32},
                        {.bias = true, .relu = true}});
  std::vector<LayerPlans> plans;
  plan_layers(convolution, layers, DType::BF16, 16, plans);
  fmt::print("{}", plan_table(plans));
  check_all_planned(plans);
}

// The largest pass of a training step. Whole, cuDNN 9.19 has kernels of Ampere's kind alone for it from 19 images on.
const ConvShape kLogits{32, 100, 100, 256, 720, 3, 3, 1, 1, 1};

TEST_CASE("plan: the weight gradient of P3's logits at batch 32 is Hopper's, in two halves of the batch", "[plans]") {
  kernels::Convolution convolution;
  const auto rows_at = [&](int batch) {
    ConvShape shape = kLogits;
    shape.batch = batch;
    return convolution.plans(shape, DType::BF16, ConvPass::BackwardWeight, {});
  };
  const auto halves = rows_at(32).front();
  CAPTURE(halves.engine, halves.passes);
  CHECK(halves.used);
  CHECK(halves.kernels == "Hopper");
  CHECK_THAT(halves.passes, Catch::EndsWith("in 2 parts"));
  CHECK_THAT(rows_at(64).front().passes, Catch::EndsWith("in 4 parts"));
  CHECK_THAT(rows_at(16).front().passes, !Catch::Contains("parts"));  // the whole is Hopper's
  const auto rows = rows_at(32);
  const auto whole = std::find_if(rows.begin(), rows.end(), [](const ConvPlan& row) {
    return row.passes.find("parts") == std::string::npos && row.kernels != "cuBLASLt";
  });
  REQUIRE(whole != rows.end());
  CHECK(whole->hopper == 0);
  CHECK_FALSE(whole->used);
}

TEST_CASE("plan: a way is the same whether its plans are asked for or read from their file", "[plans]") {
  const test::TemporaryFolder folder;
  const cudnn::Device device = cudnn::Device::h200();
  const ConvShape strided{16, 50, 50, 1024, 2048, 1, 1, 2, 0, 1}, deltas{19, 100, 100, 256, 36, 3, 3, 1, 1, 1};
  std::vector<std::vector<kernels::ConvWay>> ways;
  for (int process = 0; process < 2; ++process) {
    cudnn::Plans plans(device, folder.path().string());
    kernels::ConvWays chooser(plans, kernels::rates_of(device.name(), device.sm()));
    Queue queue;
    auto& chosen = ways.emplace_back();
    for (const ConvPass pass : {ConvPass::BackwardWeight, ConvPass::BackwardData, ConvPass::Forward})
      for (const ConvShape& shape : {kLogits, strided, deltas})
        for (const bool add : {false, true}) {
          chosen.push_back(chooser.choose(queue, {pass, shape, DType::BF16, add}));
          CHECK(chooser.all({pass, shape, DType::BF16, add}).front().key == chosen.back().key);
        }
  }
  CHECK(ways[0].front().parts == 2);
  for (size_t i = 0; i < ways[0].size(); ++i) {
    CAPTURE(i, cudnn::text_of(ways[0][i].key), cudnn::text_of(ways[1][i].key));
    CHECK(ways[0][i].key == ways[1][i].key);
    CHECK(ways[0][i].parts == ways[1][i].parts);
    CHECK(ways[0][i].modeled == ways[1][i].modeled);
  }
}

TEST_CASE("plan: a strided 1x1 data gradient that is added is scattered from a matmul, or from cuDNN's", "[plans]") {
  const cudnn::Device device = cudnn::Device::h200();
  cudnn::Plans plans(device, "");
  kernels::ConvWays chooser(plans, kernels::rates_of(device.name(), device.sm()));
  const ConvShape downsample{32, 50, 50, 1024, 2048, 1, 1, 2, 0, 1};
  Queue queue;
  const auto& added = chooser.choose(queue, {ConvPass::BackwardData, downsample, DType::BF16, true});
  CHECK(added.form.gather);
  CHECK(plans.look(added.key).info.kind == cudnn::KernelKind::Hopper);
  // Where it is not added all of dx is written anyway: by cuDNN, in one kernel.
  CHECK_FALSE(chooser.choose(queue, {ConvPass::BackwardData, downsample, DType::BF16}).form.gather);
  CHECK_FALSE(chooser.choose(queue, {ConvPass::Forward, downsample, DType::BF16, false, true, true}).form.gather);
  kernels::Convolution convolution;
  const auto rows = convolution.plans(downsample, DType::BF16, ConvPass::BackwardData, {});
  const auto used = std::find_if(rows.begin() + 1, rows.end(), [](const ConvPlan& row) { return row.used; });
  REQUIRE(used != rows.end());
  CHECK(used->passes == "scatter dx, add");
}

TEST_CASE("plan: why cuDNN has no engine is said in one line", "[plans]") {
  // Grouped, with a fused ReLU: for none of cuDNN's engines.
  const cudnn::ConvGraph graph(
      cudnn::Device::h200(),
      {ConvPass::BackwardData, {4, 20, 20, 7, 9, 3, 3, 1, 1, 1}, DType::BF16, true, false, true});
  REQUIRE(graph.candidates() == 0);
  CAPTURE(graph.why());
  CHECK_THAT(graph.why(), !Catch::Contains("\n") && Catch::Contains("NOT_SUPPORTED"));
}

TEST_CASE("plan: plans are kept in their file for the next process, and a damaged one is made anew", "[plans]") {
  const test::TemporaryFolder folder;
  const cudnn::Device device = cudnn::Device::h200();
  const cudnn::GraphKey key{ConvPass::Forward, {4, 20, 20, 64, 64, 3, 3, 1, 1, 1}, DType::BF16, true, true, true};
  Queue queue;
  std::string engine;
  {
    cudnn::Plans plans(device, folder.path().string());
    engine = plans.find(queue, key)->info().engine;
  }
  const auto file = std::filesystem::directory_iterator(folder.path())->path();
  std::string content = conv::cuda::read_plan_file(file.string());
  CHECK(content.find(cudnn::text_of(key)) != std::string::npos);
  {
    cudnn::Plans plans(device, folder.path().string());
    const cudnn::ConvGraph* graph = plans.find(queue, key);
    REQUIRE(graph != nullptr);
    CHECK(graph->info().engine == engine);
    CHECK(graph->candidates() == 0);  // read back: it knows no others
  }
  content[content.size() / 2] ^= 1;
  conv::cuda::write_plan_file(file.string(), content);
  cudnn::Plans plans(device, folder.path().string());
  const cudnn::ConvGraph* graph = plans.find(queue, key);
  REQUIRE(graph != nullptr);
  CHECK(graph->candidates() > 1);
  CHECK(graph->info().engine == engine);
}
