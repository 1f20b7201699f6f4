// With which kind of kernels an H200 computes each convolution of R18, R50 and R101, at every batch and size that a
// training is likely to have: the table tests/data/plan_kinds_h200.txt, made and held here. A change of cuDNN, or of
// how ways are chosen, shows as its diff. Run by CTest on a stand-in driver (tests/standin_driver), without which cuDNN
// offers nothing that it compiles at run time; `scripts/plan_sweep` writes the table anew.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "kernels/conv_backend.h"
#include "kernels/cudnn_library.h"
#include "tests/plans/network_layers.h"
#include "tests/support/catch.h"

using namespace fovea;
using fovea::test::network;
using kernels::ConvFusion;
using kernels::ConvPass;
using kernels::ConvPlan;
using kernels::ConvShape;

namespace {

constexpr int kDepths[] = {18, 50, 101};
constexpr LevelSize kSizes[] = {{640, 640}, {800, 800}, {1024, 1024}, {800, 1344}};
constexpr int kBatches[] = {1, 2, 4, 8, 16, 24, 32, 48, 64};
constexpr const char* kTable = FOVEA_TEST_DATA "/plan_kinds_h200.txt";

// Layers alike in all networks and sizes once, for one image. `data_gradient` where any of them has one.
std::map<std::pair<ConvShape, ConvFusion>, bool> distinct_layers() {
  std::map<std::pair<ConvShape, ConvFusion>, bool> layers;
  for (const int depth : kDepths) {
    ModelConfig config = network(depth);
    config.backbone.frozen_stages = 0;
    Context context(DeviceKind::Cpu, Precision::F32);
    RetinaNet model(context, config, 1);
    for (const LevelSize size : kSizes)
      for (const ConvTrace& layer : test::layers_at(model, context, size))
        layers[{layer.shape, layer.fusion}] |= layer.data_gradient;
  }
  return layers;
}

// H: kernels for Hopper, A: for architectures before it, C: compiled at run time, P: a product of cuBLASLt;
// g: on gathered pixels; /n: in n parts of the batch.
std::string kind_of(const ConvPlan& plan) {
  std::string kind = plan.kernels == "cuBLASLt"            ? "P"
                     : plan.kernels == "Hopper"            ? "H"
                     : plan.kernels == "Ampere or earlier" ? "A"
                                                           : "C";
  if (plan.passes.find("gather") != std::string::npos || plan.passes.find("scatter") != std::string::npos) kind += 'g';
  if (const size_t parts = plan.passes.find(" parts"); parts != std::string::npos) {
    const size_t before = plan.passes.rfind(' ', parts - 1);
    kind += "/" + plan.passes.substr(before + 1, parts - before - 1);
  }
  return kind;
}

// "1-16 H, 24-64 A" by batch.
class Kinds {
 public:
  void add(int batch, const std::string& kind) {
    if (runs_.empty() || runs_.back().kind != kind) runs_.push_back({batch, batch, kind});
    runs_.back().last = batch;
  }
  std::string text() const {
    std::string text;
    for (const Run& run : runs_)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ",
                          run.first == run.last ? std::to_string(run.first) : fmt::format("{}-{}", run.first, run.last),
                          run.kind);
    return text;
  }

 private:
  struct Run {
    int first, last;
    std::string kind;
  };
  std::vector<Run> runs_;
};

std::string layer_text(const ConvShape& s) {
  return fmt::format("{}x{} {}x{}/{} {}->{}", s.in_h, s.in_w, s.kernel_h, s.kernel_w, s.stride, s.in_c, s.out_c);
}

// A line for each pass of a layer: the plan that is used, by batch.
void add_lines(const ConvShape& layer, const ConvFusion& fusion, bool data_gradient, std::set<std::string>& lines) {
  const auto convolution = kernels::make_cudnn_backend();  // its plans are let go of with it
  std::map<std::string, Kinds> kinds;
  for (const int batch : kBatches) {
    ConvShape shape = layer;
    shape.batch = batch;
    const auto used = [&](ConvPass pass, const ConvFusion& of) {
      return kind_of(convolution->used_plan(shape, DType::BF16, pass, of));
    };
    const std::string fused =
        std::string(fusion.add ? "+add" : "") + (fusion.bias ? "+bias" : "") + (fusion.relu ? "+relu" : "");
    kinds["forward" + fused].add(batch, used(ConvPass::Forward, fusion));
    kinds["weight"].add(batch, used(ConvPass::BackwardWeight, {}));
    if (!data_gradient) continue;
    kinds["data"].add(batch, used(ConvPass::BackwardData, {}));
    kinds["data+add"].add(batch, used(ConvPass::BackwardData, {.add = true}));
  }
  for (const auto& [pass, by_batch] : kinds) lines.insert(layer_text(layer) + " " + pass + ": " + by_batch.text());
}

std::string title() { return "cuDNN " + cudnn::version_text(cudnn::library().version) + ", NVIDIA H200, bf16"; }

constexpr const char* kLegend =
    "# Kernels by layer, pass and batch. H: for Hopper, A: for architectures before it, C: compiled at run time (of\n"
    "# Ampere's kind), P: a product of cuBLASLt; g: on gathered pixels; /n: the batch in n parts.\n";

std::string table() {
  std::set<std::string> lines;
  for (const auto& [layer, data_gradient] : distinct_layers())
    add_lines(layer.first, layer.second, data_gradient, lines);
  std::string text = title() + "\n" + kLegend;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::set<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.insert(line);
  return lines;
}

std::string missing_from(const std::set<std::string>& lines, const std::set<std::string>& others) {
  std::string missing;
  for (const std::string& line : others)
    if (lines.count(line) == 0) missing += line + "\n";
  return missing;
}

}  // namespace

TEST_CASE("plan: the sweep of sizes and batches has the kinds of kernels of its table", "[sweep]") {
  if (const char* to = std::getenv("FOVEA_WRITE_PLAN_KINDS")) {
    std::ofstream(to) << table();
    return;
  }
  std::ifstream file(kTable);
  std::stringstream held;
  held << file.rdbuf();
  const auto expected = lines_of(held.str());
  if (expected.count(title()) == 0) {  // CTest reports the test as skipped
    fmt::print("the sweep is skipped: {} is not for {}; scripts/plan_sweep makes it anew\n", kTable, title());
    return;
  }
  const auto found = lines_of(table());
  const std::string gone = missing_from(found, expected), come = missing_from(expected, found);
  CAPTURE(gone, come);
  CHECK((gone.empty() && come.empty()));
}
