#include "tools/train/start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "engine/printable.h"
#include "model/recognize.h"
#include "model/weights.h"
#include "tools/checkpoint/foreign_weights.h"
#include "tools/data/formats/folder.h"
#include "tools/text/advice.h"
#include "tools/text/outputs.h"
#include "tools/train/class_weights.h"
#include "tools/train/run_folder.h"

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

void require_own_files(const std::filesystem::path& config, const TrainOptions& options) {
  for (const auto& folder : {options.data, options.val, options.images}) require_outside(options.out, folder);
  if (options.resume) return;
  FilesInUse files;
  files.input(config);
  files.input(options.init_from);
  for (const char* name : kRunFiles) files.output(options.out / name);
}

std::unique_ptr<RetinaNet> make_network(Context& context, const Config& config, const Dataset& train, bool drawn) {
  ModelConfig model = config.model;
  model.loss = with_class_weights(model.loss, train);
  return std::make_unique<RetinaNet>(context, model, drawn ? std::optional(config.seed) : std::nullopt);
}

TrainingState resume(const TensorFile& file, RetinaNet& model, Optimizer& optimizer, const ResumedRun& now,
                     TrainObserver& observer) {
  const CheckpointInfo info = read_info(file);
  if (!info.state || !info.config)
    throw Error(ErrorKind::Data, fmt::format("{}: has no optimizer state, so it cannot be resumed; {}",
                                             printable(file.path().native()), advise(advice::kStartFromWeights)));
  require_same(file, info, now);
  load_weights(file, model.parameters(), LoadMode::Exact, now.options.non_finite);
  restore_optimizer(file, optimizer, now.options.non_finite);
  TrainingState state = *info.state;
  state.data = now.data;
  observer.say(fmt::format("resuming {} after step {}\n", printable(file.path().native()), state.step));
  return state;
}

TensorFile weights_to_start_from(const TrainOptions& options, const Config& config, TrainObserver& observer) {
  const TensorFile file = open_tensor_file(options.init_from, options.state_dict);
  const auto family = family_of(file, options.names);
  if (!family || *family == WeightFamily::Torchvision) return file;
  if (const CheckpointInfo info = read_info(file); info.config)
    return as_own(file, recognized_as(*family, info.config->model));
  const Recognized recognized = recognize(file, options.names);
  observer.say(fmt::format("{}: {}: {}\n", printable(file.path().native()), traits_of(recognized.family).program,
                           network_words(recognized.model)));
  const auto otherwise = used_otherwise(recognized, config);
  if (!otherwise.empty())
    observer.say(fmt::format("its network is used otherwise than this run's (there -> here): {}; {}\n",
                             fmt::join(otherwise, ", "), advise(advice::kChangeSettings)));
  return as_own(file, recognized);
}

void start_from_weights(const TensorFile& file, RetinaNet& model, Optimizer& optimizer, NonFinite non_finite,
                        TrainObserver& observer) {
  const std::string name = printable(file.path().native());
  const WeightsReport report = load_weights(file, model.parameters(), LoadMode::Matching, non_finite);
  optimizer.restart_average();
  if (report.reinitialized.size() == model.parameters().all().size())
    throw Error(ErrorKind::Data, fmt::format("{}: none of its tensors fits this model", name));
  observer.say(
      fmt::format("weights from {}; initialized anew (missing there, or of another shape): {}\n", name,
                  report.reinitialized.empty() ? "none" : fmt::format("{}", fmt::join(report.reinitialized, ", "))));
  if (!report.unused.empty()) observer.say(fmt::format("left out: {}\n", by_module(report.unused)));
  const auto of_backbone = [](const std::string& parameter) { return parameter.starts_with("backbone.body."); };
  const auto& all = model.parameters().all();
  const auto whole = std::count_if(all.begin(), all.end(), [&](const Parameter& p) { return of_backbone(p.name); });
  const auto anew = std::count_if(report.reinitialized.begin(), report.reinitialized.end(), of_backbone);
  if (anew > 0)
    observer.say(
        fmt::format("only {} of the backbone's {} tensors come from there: is it the backbone of another network?\n",
                    whole - anew, whole));
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
