#include "tools/train/start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "engine/printable.h"
#include "model/weights.h"
#include "tools/text/advice.h"
#include "tools/train/class_weights.h"

namespace fovea {
namespace {

[[noreturn]] void refuse(const char* what, const std::vector<std::string>& changes, const std::string& instead) {
  throw Error(ErrorKind::Usage, fmt::format("cannot resume: {} (checkpoint -> now):\n  {}\n{}", what,
                                            fmt::join(changes, "\n  "), instead));
}

void require_same_classes(const TensorFile& file, const CheckpointInfo& info, const ResumedRun& now) {
  if (info.categories.size() != now.categories.size())
    throw Error(ErrorKind::Usage,
                fmt::format("cannot resume: {} has {} classes, the dataset has {}; {}", printable(file.path().native()),
                            info.categories.size(), now.categories.size(), advise(advice::kStartFromWeights)));
  const auto changes = category_changes(info.categories, now.categories);
  if (!changes.empty() && !now.options.allow_data_change)
    refuse("the classes differ from the checkpoint's", changes,
           fmt::format("Use the dataset of the run, or {}", advise(advice::kAllowDataChange)));
}

void require_same(const TensorFile& file, const CheckpointInfo& info, const ResumedRun& now) {
  const auto of_config = differences(*info.config, now.config);
  if (!of_config.empty() && !now.options.allow_config_change)
    refuse("the configuration differs from the checkpoint's", of_config,
           fmt::format("Use the configuration of the run, or {}", advise(advice::kAllowConfigChange)));
  require_same_classes(file, info, now);
  if (!info.state->data || now.options.allow_data_change) return;
  const auto of_data = data_changes(*info.state->data, now.data);
  if (!of_data.empty())
    refuse("the dataset differs from the run's", of_data,
           fmt::format("Use the dataset of the run, or {}", advise(advice::kAllowDataChange)));
}

// "AuxLogits (14 tensors), fc (2 tensors)"
std::string by_module(const std::vector<std::string>& tensors) {
  std::map<std::string, int> modules;
  for (const std::string& name : tensors) ++modules[printable(name.substr(0, name.find('.')))];
  std::string text;
  for (const auto& [name, count] : modules)
    text += fmt::format("{}{} ({} tensor{})", text.empty() ? "" : ", ", name, count, count == 1 ? "" : "s");
  return text;
}

}  // namespace

std::unique_ptr<RetinaNet> make_network(Context& context, const Config& config, const Dataset& train, bool drawn) {
  ModelConfig model = config.model;
  model.loss = with_class_weights(model.loss, train);
  return std::make_unique<RetinaNet>(context, model, drawn ? std::optional(config.seed) : std::nullopt);
}

TrainingState resume(const TensorFile& file, RetinaNet& model, Optimizer& optimizer, const ResumedRun& now) {
  const CheckpointInfo info = read_info(file);
  if (!info.state || !info.config)
    throw Error(ErrorKind::Data, fmt::format("{}: has no optimizer state, so it cannot be resumed; {}",
                                             printable(file.path().native()), advise(advice::kStartFromWeights)));
  require_same(file, info, now);
  load_weights(file, model.parameters(), LoadMode::Exact, now.options.non_finite);
  restore_optimizer(file, optimizer, now.options.non_finite);
  TrainingState state = *info.state;
  state.data = now.data;
  fmt::print("resuming {} after step {}\n", printable(file.path().native()), state.step);
  return state;
}

void start_from_weights(const TensorFile& file, RetinaNet& model, Optimizer& optimizer, NonFinite non_finite) {
  const std::string name = printable(file.path().native());
  const WeightsReport report = load_weights(file, model.parameters(), LoadMode::Matching, non_finite);
  optimizer.restart_average();
  if (report.reinitialized.size() == model.parameters().all().size())
    throw Error(ErrorKind::Data, fmt::format("{}: none of its tensors fits this model", name));
  fmt::print("weights from {}; initialized anew (missing there, or of another shape): {}\n", name,
             report.reinitialized.empty() ? "none" : fmt::format("{}", fmt::join(report.reinitialized, ", ")));
  if (!report.unused.empty()) fmt::print("left out: {}\n", by_module(report.unused));
  const auto of_backbone = [](const std::string& parameter) { return parameter.starts_with("backbone.body."); };
  const auto& all = model.parameters().all();
  const auto whole = std::count_if(all.begin(), all.end(), [&](const Parameter& p) { return of_backbone(p.name); });
  const auto anew = std::count_if(report.reinitialized.begin(), report.reinitialized.end(), of_backbone);
  if (anew > 0)
    fmt::print("only {} of the backbone's {} tensors come from there: is it the backbone of another network?\n",
               whole - anew, whole);
}

void share_start(Communicator& ranks, RetinaNet& model, Optimizer& optimizer, TrainingState& state) {
  if (ranks.alone()) return;
  Queue& queue = model.context().queue;
  std::vector<Tensor> tensors{model.parameters().trained_values(), model.parameters().fixed_values()};
  for (const auto& of_optimizer : optimizer.state()) tensors.push_back(of_optimizer.tensor);
  ranks.watched(queue, "the start", [&] {
    for (const Tensor& tensor : tensors) ranks.broadcast(queue, tensor.raw(), tensor.bytes());
  });
  model.parameters().touch();
  state.step = ranks.all_gather(state.step)[0];
  optimizer.set_steps_done(ranks.all_gather(optimizer.steps_done())[0]);
}

}  // namespace fovea
