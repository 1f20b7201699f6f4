#include "tools/analysis/plan_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/report/table.h"

namespace fovea {

namespace {

using kernels::ConvPass;

bool is_known(const std::vector<LayerPlans>& known, const ConvTrace& layer, DType dtype, ConvPass pass) {
  return std::any_of(known.begin(), known.end(), [&](const LayerPlans& other) {
    return other.dtype == dtype && other.pass == pass && other.layer.shape == layer.shape &&
           (pass != ConvPass::Forward || other.layer.fusion == layer.fusion);  // gradients know no fusion
  });
}

std::string shape_text(const kernels::ConvShape& s) {
  return fmt::format("{}x{}x{}x{} {}x{}/{}{} {}", s.batch, s.in_h, s.in_w, s.in_c, s.kernel_h, s.kernel_w, s.stride,
                     s.groups > 1 ? fmt::format(" in {} groups", s.groups) : "", s.out_c);
}

}  // namespace

void plan_layers(kernels::Convolution& convolution, const std::vector<ConvTrace>& layers, DType dtype, int batch,
                 std::vector<LayerPlans>& known) {
  for (ConvTrace layer : layers) {
    layer.shape.batch = batch;
    for (const ConvPass pass : {ConvPass::Forward, ConvPass::BackwardData, ConvPass::BackwardWeight}) {
      if (is_known(known, layer, dtype, pass)) continue;
      known.push_back({layer, dtype, pass, convolution.plans(layer.shape, dtype, pass, layer.fusion)});
    }
  }
}

std::string plan_table(const std::vector<LayerPlans>& plans) {
  Table table({"layer", "shape", "type", "pass", "graph", "used", "engine", "candidates (Hopper)", "workspace",
               "kernels", "our own passes"});
  for (const LayerPlans& layer : plans)
    for (const kernels::ConvPlan& plan : layer.plans) {
      const bool offered = !plan.engine.empty();
      const std::string hopper = plan.kernels == "cuBLASLt" ? "" : fmt::format(" ({})", plan.hopper);
      table.add({layer.layer.name, shape_text(layer.layer.shape), fovea::name_of(layer.dtype), name_of(layer.pass),
                 plan.graph, plan.used ? "yes" : "", offered ? plan.engine : "none",
                 plan.candidates > 0 ? std::to_string(plan.candidates) + hopper : "",
                 plan.built ? std::to_string(plan.workspace) : "", plan.kernels, plan.passes});
    }
  return table.text();
}

}  // namespace fovea
