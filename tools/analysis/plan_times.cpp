#include "tools/analysis/plan_times.h"

#include <fmt/format.h>

#include "engine/files.h"
#include "tools/report/table.h"
#include "tools/text/advice.h"

namespace fovea {

namespace {

const ConvTrace& layer_named(const std::vector<ConvTrace>& layers, const std::string& name) {
  const ConvTrace* found = nullptr;
  for (const ConvTrace& layer : layers) {
    if (layer.name != name + ".weight") continue;
    if (found == nullptr || layer.shape.output_count() > found->shape.output_count()) found = &layer;
  }
  if (found == nullptr)
    throw Error(ErrorKind::Usage, fmt::format("the network has no layer '{}'; {}", name, advise(advice::kListLayers)));
  return *found;
}

}  // namespace

PlanTimes time_plans(Context& context, const std::vector<ConvTrace>& layers, const std::string& name, int most) {
  if (!context.queue.on_cuda())
    throw Error(ErrorKind::Usage, "cuDNN's plans are timed on a GPU only; " + advise(advice::kUseGpu));
  using kernels::ConvPass;
  PlanTimes all{layer_named(layers, name).shape, {}};
  for (const ConvPass pass : {ConvPass::Forward, ConvPass::BackwardData, ConvPass::BackwardWeight})
    for (auto& time : context.convolution.time_plans(context.queue, all.shape, context.activation_dtype, pass, most))
      all.times.push_back({pass, std::move(time)});
  return all;
}

double PlanTimes::tflop_per_second(const Time& time) const {
  return time.of.failed.empty() ? 2e-12 * static_cast<double>(shape.macs()) / time.of.seconds : 0;
}

std::string PlanTimes::table() const {
  Table table({"pass", "engine", "kernels", "ms", "TFLOP/s"});
  for (const Time& time : times) {
    const auto& [plan, seconds, failed] = time.of;
    table.add({name_of(time.pass), plan.engine, plan.kernels,
               failed.empty() ? fmt::format("{:.3f}", 1e3 * seconds) : failed,
               failed.empty() ? fmt::format("{:.1f}", tflop_per_second(time)) : ""});
  }
  return table.text();
}

std::string PlanTimes::json() const {
  std::string rows;
  for (const Time& time : times) {
    const auto& [plan, seconds, failed] = time.of;
    rows += fmt::format(
        R"({}{{"pass":{},"engine":{},"kernels":{},"seconds":{:.9f},"tflop_per_second":{:.1f},"failed":{}}})",
        rows.empty() ? "" : ",", json_quoted(name_of(time.pass)), json_quoted(plan.engine), json_quoted(plan.kernels),
        seconds, tflop_per_second(time), json_quoted(failed));
  }
  return "[" + rows + "]";
}

}  // namespace fovea
