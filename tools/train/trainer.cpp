#include "tools/train/trainer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <functional>
#include <memory>
#include <utility>

#include "engine/distributed/communicator.h"
#include "engine/printable.h"
#include "model/weights.h"
#include "tools/checkpoint/checkpoint.h"
#include "tools/data/formats/format.h"
#include "tools/data/loading/loader.h"
#include "tools/detect/detector.h"
#include "tools/eval/evaluate.h"
#include "tools/report/canvas.h"
#include "tools/report/notices.h"
#include "tools/report/progress.h"
#include "tools/text/advice.h"
#include "tools/text/version.h"
#include "tools/train/averages.h"
#include "tools/train/print_summary.h"
#include "tools/train/ranks.h"
#include "tools/train/run_chart.h"
#include "tools/train/run_folder.h"
#include "tools/train/step.h"
#include "tools/train/training_memory.h"

namespace fovea {

std::atomic<bool> stop_requested = false;

void catch_stop_signals() {
  const auto handler = [](int signal) {
    stop_requested = true;
    std::signal(signal, SIG_DFL);  // the second one ends the program at once
  };
  std::signal(SIGINT, handler);
  std::signal(SIGTERM, handler);
}

namespace {

constexpr int64_t kRetrySaveAfter = 50;  // steps, when a checkpoint could not be written

Schedule schedule_of(const Config& config) {
  Schedule schedule = config.train.schedule;
  schedule.total_steps = config.train.steps;
  schedule.base = schedule.base_for(config.train.batch);
  return schedule;
}

class Trainer {
 public:
  Trainer(Config config, const TrainOptions& options, Communicator& ranks);
  void run();

 private:
  void resume();
  void start_from_weights();
  void share_start();
  bool checkpoint_is_due() const;
  bool validation_is_due() const;
  bool validation_is_logged() const;
  [[noreturn]] void stop(bool saved);
  void tell(const std::function<void()>& print);
  void read_results(size_t running);
  void check_finite(const TrainingSteps::Finished& step);
  bool save_or_retry();
  void log_step(double rate);
  void validate();
  void save();
  bool try_to(const char* what, const std::function<void()>& write);

  DataShare share() const { return {ranks_.rank(), ranks_.size()}; }

  Communicator& ranks_;
  Config config_;
  TrainOptions options_;
  std::unique_ptr<RunFolder> folder_;  // as progress_, of rank 0 alone
  Dataset train_, val_;
  Context context_;
  std::unique_ptr<RetinaNet> model_;
  std::unique_ptr<Optimizer> optimizer_;
  Schedule schedule_;
  BadFiles bad_files_;
  TrainingState state_;
  std::unique_ptr<TrainingSteps> steps_;
  int64_t retry_save_at_ = -1, non_finite_ = 0, steps_read_ = 0;
  Averages averages_;
  std::unique_ptr<Progress> progress_;
  std::string output_fault_;  // of stdout
};

Trainer::Trainer(Config config, const TrainOptions& options, Communicator& ranks)
    : ranks_(ranks),
      config_(std::move(config)),
      options_(options),
      folder_(ranks.is_first() ? std::make_unique<RunFolder>(options.out, options.resume) : nullptr),
      train_(load_dataset(options.data, "train", options.load_options())),
      val_(load_dataset(options.val.empty() ? options.data : options.val, "val", options.load_options())),
      context_(options.device, config_.precision, config_.convolution),
      bad_files_(images_in(train_) + images_in(val_), options.bad_images) {
  require_same_data(ranks, train_, val_);
  if (const auto conflict = category_conflict("train", train_.categories, "val", val_.categories); !conflict.empty())
    throw Error(ErrorKind::Data, fmt::format("{}: {}", printable(options.data.native()), conflict));
  for (const Dataset* split : {&train_, &val_}) add_bad_images(bad_files_, *split);
  context_.convolution.set_autotune(config_.autotune);
  tell_when_recordings_go(context_);
  config_.model.classes = static_cast<int>(train_.categories.size());
  fovea::validate(config_);
  schedule_ = schedule_of(config_);
  context_.ranks = &ranks;
  if (config_.train.sync_batch_norm) context_.norm_ranks = &ranks;
  model_ =
      std::make_unique<RetinaNet>(context_, config_.model, options.resume ? std::nullopt : std::optional(config_.seed));
  optimizer_ = std::make_unique<Optimizer>(context_, model_->parameters(), config_.train.optimizer);
  optimizer_->set_non_finite_limit(config_.train.non_finite_limit);
  steps_ = std::make_unique<TrainingSteps>(*model_, *optimizer_, config_.input, config_.train.record);
  if (ranks.is_first()) {
    if (options.resume)
      resume();
    else if (!options.init_from.empty())
      start_from_weights();
    folder_->write_config(config_);
    for (const Dataset* split : {&train_, &val_})
      if (!split->report.bad_boxes.empty())
        write_bad_boxes(folder_->file(split == &train_ ? "bad_boxes.txt" : "bad_boxes_val.txt"), split->report);
  }
  share_start();
}

void Trainer::start_from_weights() {
  const std::string name = options_.init_from.string();
  const WeightsReport report = load_weights(SafetensorsFile(name), model_->parameters(), LoadMode::Matching);
  optimizer_->restart_average();
  if (report.reinitialized.size() == model_->parameters().all().size())
    throw Error(ErrorKind::Data, fmt::format("{}: none of its tensors fits this model", printable(name)));
  fmt::print("weights from {}; initialized anew (missing there, or of another shape): {}\n", printable(name),
             report.reinitialized.empty() ? "none" : fmt::format("{}", fmt::join(report.reinitialized, ", ")));
}

void Trainer::resume() {
  const SafetensorsFile file = folder_->newest_checkpoint();
  const CheckpointInfo info = read_info(file);
  if (!info.state || !info.config)
    throw Error(ErrorKind::Data, fmt::format("{}: has no optimizer state, so it cannot be resumed; {}",
                                             printable(file.path().native()), advise(advice::kStartFromWeights)));
  const auto changes = differences(*info.config, config_);
  if (!changes.empty() && !options_.allow_config_change)
    throw Error(
        ErrorKind::Usage,
        fmt::format("cannot resume: the configuration differs from the checkpoint's (checkpoint -> now):\n  {}\n"
                    "Use the configuration of the run, or {}",
                    fmt::join(changes, "\n  "), advise(advice::kAllowConfigChange)));
  load_weights(file, model_->parameters(), LoadMode::Exact);
  restore_optimizer(file, *optimizer_);
  state_ = *info.state;
  folder_->truncate_log(state_.step);
  fmt::print("resuming {} after step {}\n", printable(file.path().native()), state_.step);
}

// Everybody starts where rank 0 does, which alone has read a checkpoint or weights.
void Trainer::share_start() {
  if (ranks_.alone()) return;
  std::vector<Tensor> tensors{model_->parameters().trained_values(), model_->parameters().fixed_values()};
  for (const auto& state : optimizer_->state()) tensors.push_back(state.tensor);
  ranks_.watched(context_.queue, "the start", [&] {
    for (const Tensor& tensor : tensors) ranks_.broadcast(context_.queue, tensor.raw(), tensor.bytes());
  });
  model_->parameters().touch();
  state_.step = ranks_.all_gather(state_.step)[0];
  optimizer_->set_steps_done(ranks_.all_gather(optimizer_->steps_done())[0]);
}

bool Trainer::checkpoint_is_due() const {
  return state_.step % config_.train.checkpoint_every == 0 || state_.step == retry_save_at_;
}

bool Trainer::validation_is_due() const {
  const int64_t every = config_.train.eval_every;
  return state_.step == config_.train.steps || (every > 0 && state_.step > 0 && state_.step % every == 0);
}

// A run that was stopped while it validated has not logged that validation.
bool Trainer::validation_is_logged() const {
  for (const std::string& line : folder_->log_lines())
    if (number_in(line, "step") == static_cast<double>(state_.step) && line.find("\"ap\"") != std::string::npos)
      return true;
  return false;
}

void Trainer::run() {
  if (ranks_.is_first()) {
    print_summary(config_, schedule_, *model_, {&train_, &val_}, ranks_.size());
    progress_ = std::make_unique<Progress>(config_.train.steps, state_.step);
  }
  Loader loader(train_, config_.input,
                {.batch = config_.train.batch / ranks_.size(),
                 .share = share(),
                 .training = true,
                 .seed = config_.seed,
                 .first_batch = state_.step,
                 .batches = config_.train.steps},
                bad_files_);
  const bool repeats = ranks_.is_first() && options_.resume && validation_is_due() && !validation_is_logged();
  if (ranks_.any(repeats)) validate();
  steps_read_ = state_.step;
  const int64_t first = state_.step;
  bool saved = first > 0;  // as of the checkpoint that was resumed
  while (state_.step < config_.train.steps) {
    auto loaded = loader.next();
    const bool records = !context_.recordings.given_up();
    const MemoryEstimate plan = agree_on_step(ranks_, {shape_of(loaded, config_.input), stop_requested, records});
    if (plan.stop) stop(saved);
    if (records && !plan.records) context_.recordings.give_up();
    if (state_.step == first && context_.queue.on_cuda())
      require_fits(context_, config_, plan.shape, loaded, ranks_.size());
    ranks_.watched(context_.queue, fmt::format("step {}", state_.step + 1),
                   [&] { steps_->enqueue(std::move(loaded), plan.shape, schedule_.at(state_.step)); });
    ++state_.step;
    const bool last = state_.step == config_.train.steps, saves = last || checkpoint_is_due();
    const bool validates = validation_is_due();
    read_results(saves || validates ? 0 : 1);
    if (validates) validate();
    if (last && ranks_.is_first()) save();
    saved = saves && (last || save_or_retry());
  }
  if (ranks_.any(stop_requested)) stop(saved);
  share_bad_files(ranks_, bad_files_);
  if (!ranks_.is_first()) return;
  progress_->finish();
  const size_t kept = bad_files_.kept().size();
  if (kept > 0) fmt::print(stderr, "fovea: {} damaged images were partly used (see bad_images.txt)\n", kept);
  if (bad_files_.count() > 0 || kept > 0) bad_files_.write(folder_->file("bad_images.txt"));
  write_run_chart(*folder_);
}

// All ranks know whether rank 0 could save, and so when it tries again.
bool Trainer::save_or_retry() {
  const bool saved = !ranks_.any(ranks_.is_first() && !try_to("last", [this] { save(); }));
  retry_save_at_ = saved ? -1 : state_.step + kRetrySaveAfter;
  return saved;
}

void Trainer::stop(bool saved) {
  read_results(0);
  if (ranks_.is_first() && !saved) save();
  ranks_.barrier();  // nobody ends before it is saved
  all_throw(ranks_, ranks_.any(!output_fault_.empty()) ? ErrorKind::Runtime : ErrorKind::Interrupted,
            fmt::format("{}stopped after step {} and saved the run; {}",
                        output_fault_.empty() ? "" : output_fault_ + "; ", state_.step, advise(advice::kResume)));
}

// Logs what came of the steps done, but for the last `running`, which are not waited for.
void Trainer::read_results(size_t running) {
  while (const auto step = steps_->finished(running)) {
    ranks_.check();
    check_finite(*step);
    ++steps_read_;
    if (!ranks_.is_first()) continue;
    averages_.add(step->result, config_.train.batch);
    if (steps_read_ % config_.train.log_every == 0 || steps_read_ == config_.train.steps) log_step(step->learning_rate);
    tell([&] { progress_->update(steps_read_, step->result.loss(), config_.train.batch); });
  }
}

// Where nobody reads stdout any more, or it takes no more, that is as good as Ctrl-C.
void Trainer::tell(const std::function<void()>& print) {
  try {
    print();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Interrupted) output_fault_ = error.what();
    stop_requested = true;
  }
}

void Trainer::check_finite(const TrainingSteps::Finished& step) {
  if (!step.result.skipped) return;
  std::string text;
  ranks_.watched(context_.queue, fmt::format("the diagnosis of step {}", steps_read_ + 1),
                 [&] { text = diagnosis(*model_, step, config_.input); });
  text = gather_text(ranks_, text);
  if (++non_finite_ <= config_.train.non_finite_limit) {
    if (ranks_.is_first())
      fmt::print(stderr, "fovea: skipped step {}, which is not finite ({} of {} allowed): {}", steps_read_ + 1,
                 non_finite_, config_.train.non_finite_limit, text);
    return;
  }
  all_throw(
      ranks_, ErrorKind::Diverged,
      fmt::format(
          "step {} is not finite and was not applied; lower train.schedule.base, or set train.optimizer.clip_norm: {}",
          steps_read_ + 1, text));
}

void Trainer::log_step(double rate) {
  const double images = static_cast<double>(steps_read_) * config_.train.batch;
  folder_->log(averages_.line(steps_read_, images / static_cast<double>(train_.samples.size()), rate));
  averages_ = {};
}

void Trainer::validate() {
  // Statistics of norms are each rank's own in training: all take those of rank 0, which a checkpoint holds.
  const Tensor& statistics = model_->parameters().fixed_values();
  ranks_.watched(context_.queue, fmt::format("the validation after step {}", state_.step),
                 [&] { ranks_.broadcast(context_.queue, statistics.raw(), statistics.bytes()); });
  model_->parameters().touch();
  // The network that is validated, and kept as the best one, is that of the averaged weights, where there are any.
  struct Averaged {
    Optimizer& optimizer;
    explicit Averaged(Optimizer& o) : optimizer(o) { optimizer.swap_average(); }
    ~Averaged() { optimizer.swap_average(); }
  } averaged(*optimizer_);
  const int batch = config_.train.eval_batch > 0
                        ? config_.train.eval_batch
                        : std::min(suitable_batch(options_.device), config_.train.batch / ranks_.size());
  const auto own =
      detect_dataset(*model_, val_, train_.categories, config_.input, bad_files_,
                     {.batch = batch, .interrupted = [] { return stop_requested.load(); }, .share = share()});
  if (ranks_.any(stop_requested)) return;
  const auto detections = gather_detections(ranks_, val_, own);
  share_bad_files(ranks_, bad_files_);
  if (!ranks_.is_first()) return;
  const CocoMetrics metrics = evaluate(val_, detections);
  const double ap = metrics.values[Ap];
  tell([&] {
    progress_->message(fmt::format("step {}: AP {:.3f}  AP50 {:.3f}  AP75 {:.3f} on {} validation images", state_.step,
                                   ap, metrics.values[Ap50], metrics.values[Ap75], val_.samples.size()));
  });
  folder_->log(fmt::format(R"({{"step":{},"ap":{:.17g},"ap50":{:.17g},"ap75":{:.17g}}})", state_.step, ap,
                           metrics.values[Ap50], metrics.values[Ap75]));
  if (ap > state_.best_ap) {
    const double before = std::exchange(state_.best_ap, ap);
    if (!try_to("best",
                [this] { save_checkpoint(folder_->best(), *model_, nullptr, config_, train_.categories, state_); }))
      state_.best_ap = before;
  }
  progress_->restart_clock();
  averages_.since = std::chrono::steady_clock::now();
}

void Trainer::save() {
  folder_->keep_previous();
  save_checkpoint(folder_->last(), *model_, optimizer_.get(), config_, train_.categories, state_);
  write_run_chart(*folder_);
}

// A full disk must not end a training of days: the run goes on, and tries again.
bool Trainer::try_to(const char* what, const std::function<void()>& write) {
  try {
    write();
    return true;
  } catch (const DeviceError&) {
    throw;  // no fault of the disk
  } catch (const Error& error) {
    fmt::print(stderr, "fovea: the {} checkpoint of step {} was not saved: {}; training continues\n", what, state_.step,
               error.what());
    return false;
  }
}

}  // namespace

void train(Config config, const TrainOptions& options) {
  const auto ranks = connect_ranks({.timeout = options.rank_timeout});
  try {
    share_machine(*ranks, options.device);
    require_same_config(
        *ranks, config,
        fmt::format("fovea {} on {}{}", kVersion, options.device == DeviceKind::Cuda ? "a GPU" : "the CPU",
                    kernels::cpu_has_fast_bf16() ? " with bf16" : ""));
    require_own_gpus(*ranks, options.device);
    batch_of_rank(*ranks, config.train.batch);
    if (ranks->is_first()) check_font();  // of the run's chart
    Trainer(std::move(config), options, *ranks).run();
    ranks->leave();
  } catch (const AgreedError&) {
    ranks->leave();
    throw;
  } catch (const Error& error) {
    throw Error(error.kind(), ranks->abort(error.kind(), error.what()));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::OutOfMemory, ranks->abort(ErrorKind::OutOfMemory, "out of memory"));
  } catch (const std::exception& error) {
    throw Error(ErrorKind::Runtime, ranks->abort(ErrorKind::Runtime, error.what()));
  }
}

}  // namespace fovea
