// With which kind of kernels an H200 computes each convolution of R18, R50 and R101, at every batch and size that a
// training is likely to have, and those of other backbones at one size: the table tests/data/plan_kinds_h200.txt, made
// and held here. A change of cuDNN, or of how ways are chosen, shows as its diff. Run by CTest on a stand-in driver
// (tests/standin_driver), without which cuDNN offers nothing that it compiles at run time; `scripts/plan_sweep` writes
// the table anew.
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
const std::vector<Size2d> kSizes{{640, 640}, {800, 800}, {1024, 1024}, {800, 1344}}, kUsualSize{{800, 800}};
const std::vector<int> kBatches{1, 2, 4, 8, 16, 24, 32, 48, 64}, kHeld{1, 32}, kHeldOfOthers{32};
constexpr const char* kTable = FOVEA_TEST_DATA "/plan_kinds_h200.txt";

void merge(const ConvTrace& layer, ConvTrace& into) {
  into.shape = layer.shape;
  into.fusion = layer.fusion;
  into.data_gradient |= layer.data_gradient;
  into.offers_mask |= layer.offers_mask;
  into.takes_mask |= layer.takes_mask;
}

using Layers = std::map<std::pair<ConvShape, ConvFusion>, ConvTrace>;

// Layers alike in all networks and sizes once, for one image, with the gradients that any of them has.
void add_layers(ModelConfig config, const std::vector<Size2d>& sizes, Layers& layers) {
  config.backbone.frozen_stages = 0;
  Context context(DeviceKind::Cpu, Precision::F32);
  RetinaNet model(context, config, std::nullopt);
  for (const Size2d size : sizes)
    for (const ConvTrace& layer : test::layers_at(model, context, size))
      merge(layer, layers[{layer.shape, layer.fusion}]);
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
  const bool padded = s.pad == kernels::Extent(s.kernel_h / 2, s.kernel_w / 2);
  return fmt::format("{}x{} {}x{}/{}{} {}->{}{}", s.in_h, s.in_w, s.kernel_h, s.kernel_w, s.stride,
                     padded ? "" : " unpadded", s.in_c, s.out_c,
                     s.groups > 1 ? fmt::format(" in {} groups", s.groups) : "");
}

// What each pass of a layer takes.
void add_layer(const ConvTrace& layer, const std::vector<int>& batches, Table& table) {
  const ConvFusion& fusion = layer.fusion;
  const auto convolution = kernels::make_cudnn_backend();  // its plans are let go of with it
  for (const int batch : batches) {
    ConvShape shape = layer.shape;
    shape.batch = batch;
    const bool pointwise = shape.kernel_h == 1 && shape.kernel_w == 1;
    const auto add = [&](const std::string& name, ConvPass pass, const ConvFusion& of) {
      table[layer_text(shape) + " " + name][batch] = kind_of(convolution->used_plan(shape, DType::BF16, pass, of));
    };
    const std::string fused =
        std::string(fusion.add ? "+add" : "") + (fusion.bias ? "+bias" : "") + (fusion.relu ? "+relu" : "");
    add("forward" + fused, ConvPass::Forward, fusion);
    if (layer.offers_mask && fusion.add && pointwise)
      add("forward" + fused + " with bits", ConvPass::Forward, {fusion.bias, true, true, true});
    add("weight", ConvPass::BackwardWeight, {});
    if (!layer.data_gradient) continue;
    add("data", ConvPass::BackwardData, {});
    add("data+add", ConvPass::BackwardData, {.add = true});
    if (!layer.takes_mask) continue;
    add("data+relu", ConvPass::BackwardData, {.relu = true});
    add("data+add+relu", ConvPass::BackwardData, {.add = true, .relu = true});
    if (pointwise) add("data+add+relu by bits", ConvPass::BackwardData, {.add = true, .relu = true, .bits = true});
  }
}

// Layers that only other backbones have are planned for their own batches: Inception has many.
Table planned(const std::vector<int>& batches, const std::vector<int>& batches_of_others) {
  Layers of_resnets, all;
  for (const int depth : kDepths) add_layers(network(depth), kSizes, of_resnets);
  for (const BackboneConfig& backbone : test::other_backbones()) add_layers(network(backbone), kUsualSize, all);
  Table table;
  for (const auto& [key, layer] : of_resnets) add_layer(layer, batches, table);
  for (const auto& [key, layer] : all)
    if (!of_resnets.contains(key)) add_layer(layer, batches_of_others, table);
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

// `table`, of the batches alone that `like` has.
Table limited(Table table, const Table& like) {
  for (auto& [name, kinds] : table)
    if (const auto found = like.find(name); found != like.end())
      std::erase_if(kinds, [&](const auto& entry) { return !found->second.contains(entry.first); });
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
  if (const char* to = std::getenv("FOVEA_WRITE_PLAN_KINDS")) return write(to, planned(kBatches, kBatches));
  std::string made_for;
  const Table table = read(kTable, kHeld, made_for);
  if (made_for != title()) {  // CTest reports the test as skipped
    fmt::print("the sweep is skipped: {} is for {}, not for {}; scripts/plan_sweep makes it anew\n", kTable, made_for,
               title());
    return;
  }
  const Table found = planned(kHeld, kHeldOfOthers), expected = limited(table, found);
  const std::string only_in_the_table = beyond(expected, found), only_found = beyond(found, expected);
  CAPTURE(only_in_the_table, only_found);
  CHECK((only_in_the_table.empty() && only_found.empty()));
}
