// With which kind of kernels an H200 computes each convolution of R18, R50 and R101, at every batch and size that a
// training is likely to have: the table tests/data/plan_kinds_h200.txt, made and held here. A change of cuDNN, or of
// how ways are chosen, shows as its diff. Run by CTest on a stand-in driver (tests/standin_driver), without which cuDNN
// offers nothing that it compiles at run time; `scripts/plan_sweep` writes the table anew.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "kernels/conv/backend.h"
#include "kernels/conv/cuda/cudnn_library.h"
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
constexpr Size2d kSizes[] = {{640, 640}, {800, 800}, {1024, 1024}, {800, 1344}};
const std::vector<int> kBatches{1, 2, 4, 8, 16, 24, 32, 48, 64}, kHeld{1, 32};
constexpr const char* kTable = FOVEA_TEST_DATA "/plan_kinds_h200.txt";

void merge(const ConvTrace& layer, ConvTrace& into) {
  into.shape = layer.shape;
  into.fusion = layer.fusion;
  into.data_gradient |= layer.data_gradient;
  into.offers_mask |= layer.offers_mask;
  into.takes_mask |= layer.takes_mask;
}

// Layers alike in all networks and sizes once, for one image, with the gradients that any of them has.
std::map<std::pair<ConvShape, ConvFusion>, ConvTrace> distinct_layers() {
  std::map<std::pair<ConvShape, ConvFusion>, ConvTrace> layers;
  for (const int depth : kDepths) {
    ModelConfig config = network(depth);
    config.backbone.frozen_stages = 0;
    Context context(DeviceKind::Cpu, Precision::F32);
    RetinaNet model(context, config, std::nullopt);
    for (const Size2d size : kSizes)
      for (const ConvTrace& layer : test::layers_at(model, context, size))
        merge(layer, layers[{layer.shape, layer.fusion}]);
  }
  return layers;
}

// H: kernels for Hopper, A: for architectures before it, C: compiled at run time, P: a matmul of cuBLASLt;
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

using Kinds = std::map<int, std::string>;    // by batch
using Table = std::map<std::string, Kinds>;  // by layer and pass

// "1-16 H, 24-64 A"
std::string text_of(const Kinds& kinds) {
  std::string text;
  for (auto i = kinds.begin(); i != kinds.end();) {
    const auto first = i;
    int last = first->first;
    for (; i != kinds.end() && i->second == first->second; ++i) last = i->first;
    text += fmt::format("{}{}{} {}", text.empty() ? "" : ", ", first->first,
                        last == first->first ? "" : fmt::format("-{}", last), first->second);
  }
  return text;
}

// The other way round, of the batches asked for.
Kinds kinds_of(const std::string& text, const std::vector<int>& batches) {
  Kinds kinds;
  std::istringstream runs(text);
  for (std::string run; std::getline(runs, run, ',');) {
    std::istringstream in(run);
    std::string range, kind;
    in >> range >> kind;
    const size_t dash = range.find('-');
    const int first = std::stoi(range), last = dash == std::string::npos ? first : std::stoi(range.substr(dash + 1));
    for (const int batch : batches)
      if (batch >= first && batch <= last) kinds[batch] = kind;
  }
  return kinds;
}

std::string layer_text(const ConvShape& s) {
  return fmt::format("{}x{} {}x{}/{} {}->{}", s.in_h, s.in_w, s.kernel_h, s.kernel_w, s.stride, s.in_c, s.out_c);
}

// What each pass of a layer takes.
void add_layer(const ConvTrace& layer, const std::vector<int>& batches, Table& table) {
  const ConvFusion& fusion = layer.fusion;
  const auto convolution = kernels::make_cudnn_backend();  // its plans are let go of with it
  for (const int batch : batches) {
    ConvShape shape = layer.shape;
    shape.batch = batch;
    const auto add = [&](const std::string& name, ConvPass pass, const ConvFusion& of) {
      table[layer_text(shape) + " " + name][batch] = kind_of(convolution->used_plan(shape, DType::BF16, pass, of));
    };
    const std::string fused =
        std::string(fusion.add ? "+add" : "") + (fusion.bias ? "+bias" : "") + (fusion.relu ? "+relu" : "");
    add("forward" + fused, ConvPass::Forward, fusion);
    if (layer.offers_mask && fusion.add && shape.kernel_h == 1)
      add("forward" + fused + " with bits", ConvPass::Forward, {fusion.bias, true, true, true});
    add("weight", ConvPass::BackwardWeight, {});
    if (!layer.data_gradient) continue;
    add("data", ConvPass::BackwardData, {});
    add("data+add", ConvPass::BackwardData, {.add = true});
    if (!layer.takes_mask) continue;
    add("data+relu", ConvPass::BackwardData, {.relu = true});
    add("data+add+relu", ConvPass::BackwardData, {.add = true, .relu = true});
    if (shape.kernel_h == 1)
      add("data+add+relu by bits", ConvPass::BackwardData, {.add = true, .relu = true, .bits = true});
  }
}

Table planned(const std::vector<int>& batches) {
  Table table;
  for (const auto& [shape, layer] : distinct_layers()) add_layer(layer, batches, table);
  return table;
}

std::string title() { return "cuDNN " + cudnn::version_text(cudnn::library().version) + ", NVIDIA H200, bf16"; }

constexpr const char* kLegend =
    "# Kernels by layer, pass and batch. H: for Hopper, A: for architectures before it, C: compiled at run time (of\n"
    "# Ampere's kind), P: a matmul of cuBLASLt; g: on gathered pixels; /n: the batch in n parts.\n";

void write(const std::string& path, const Table& table) {
  std::ofstream out(path);
  out << title() << "\n" << kLegend;
  for (const auto& [name, kinds] : table) out << name << ": " << text_of(kinds) << "\n";
}

// As written, of the batches asked for; the first line goes to `title`.
Table read(const std::string& path, const std::vector<int>& batches, std::string& title) {
  std::ifstream in(path);
  std::getline(in, title);
  Table table;
  for (std::string line; std::getline(in, line);)
    if (const size_t colon = line.find(": "); line.rfind('#', 0) != 0 && colon != std::string::npos)
      table[line.substr(0, colon)] = kinds_of(line.substr(colon + 2), batches);
  return table;
}

// What `table` says otherwise than `other` or not at all, a line each.
std::string beyond(const Table& table, const Table& other) {
  std::string text;
  for (const auto& [name, kinds] : table)
    if (const auto found = other.find(name); found == other.end() || found->second != kinds)
      text += name + ": " + text_of(kinds) + "\n";
  return text;
}

}  // namespace

TEST_CASE("plan: the sweep of sizes and batches has the kinds of kernels of its table", "[plans][sweep]") {
  if (const char* to = std::getenv("FOVEA_WRITE_PLAN_KINDS")) return write(to, planned(kBatches));
  std::string made_for;
  const Table expected = read(kTable, kHeld, made_for);
  if (made_for != title()) {  // CTest reports the test as skipped
    fmt::print("the sweep is skipped: {} is for {}, not for {}; scripts/plan_sweep makes it anew\n", kTable, made_for,
               title());
    return;
  }
  const Table found = planned(kHeld);
  const std::string only_in_the_table = beyond(expected, found), only_found = beyond(found, expected);
  CAPTURE(only_in_the_table, only_found);
  CHECK((only_in_the_table.empty() && only_found.empty()));
}
