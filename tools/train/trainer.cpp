#include "tools/train/trainer.h"

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <utility>

#include "engine/distributed/communicator.h"
#include "engine/printable.h"
#include "kernels/device/threads.h"
#include "kernels/notice.h"
#include "tools/checkpoint/checkpoint.h"
#include "tools/data/formats/format.h"
#include "tools/data/loading/loader.h"
#include "tools/detect/detector.h"
#include "tools/eval/evaluate.h"
#include "tools/report/canvas.h"
#include "tools/report/notices.h"
#include "tools/text/advice.h"
#include "tools/text/stop.h"
#include "tools/text/version.h"
#include "tools/train/averages.h"
#include "tools/train/observer.h"
#include "tools/train/ranks.h"
#include "tools/train/run_chart.h"
#include "tools/train/run_folder.h"
#include "tools/train/start.h"
#include "tools/train/step.h"
#include "tools/train/summary.h"
#include "tools/train/training_memory.h"

namespace fovea {
namespace {

constexpr const char* kAnswer = "fovea: stopping: the run is saved as of its last whole step; again to stop at once\n";
constexpr int64_t kRetrySaveAfter = 50;  // steps, when a checkpoint could not be written

class Trainer {
 public:
  Trainer(Config config, const TrainOptions& options, Communicator& ranks, TrainObserver& observer);
  void run();

 private:
  bool checkpoint_is_due() const;
  bool validation_is_due() const;
  void keep_folder();
  void take_steps();
  void take_step(std::vector<LoadedImage> batch, const BatchShape& shape);
  [[noreturn]] void stop();
  [[noreturn]] void stop_within_step();
  std::string stopped_text() const;
  void tell(const std::function<void()>& call);
  void read_results(size_t running);
  void check_finite(const TrainingSteps::Finished& step);
  void save_or_retry();
  // Rank 0 has what is to be saved; the others learn that it stops. On a GPU nothing ends in the middle.
  bool may_end_within_step() const { return ranks_.is_first() && (ranks_.alone() || !context_.queue.on_cuda()); }
  void log_step(double rate);
  void validate();
  void save();
  bool try_to(const char* what, const std::function<void()>& write);

  DataShare share() const { return {ranks_.rank(), ranks_.size()}; }

  Communicator& ranks_;
  Config config_;
  TrainOptions options_;
  TrainObserver& observer_;  // as folder_, of rank 0 alone
  std::unique_ptr<RunFolder> folder_;
  Dataset train_, val_;
  Context context_;
  std::unique_ptr<RetinaNet> model_;
  std::unique_ptr<Optimizer> optimizer_;
  Schedule schedule_;
  BadFiles bad_files_;
  TrainingState state_;
  std::unique_ptr<TrainingSteps> steps_;
  int64_t first_step_ = 0, retry_save_at_ = -1, non_finite_ = 0, steps_read_ = 0;
  int64_t saved_step_ = 0;           // of the newest checkpoint
  std::vector<uint8_t> statistics_;  // of norms, before the step under way
  Averages averages_;
  StepTimes times_;
  std::string output_fault_;  // of the observer
};

Trainer::Trainer(Config config, const TrainOptions& options, Communicator& ranks, TrainObserver& observer)
    : ranks_(ranks),
      config_(std::move(config)),
      options_(options),
      observer_(observer),
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
  require_batch_fits(context_, config_, ranks.size());
  schedule_ = schedule_of(config_);
  context_.ranks = &ranks;
  if (config_.train.sync_batch_norm) context_.norm_ranks = &ranks;
  model_ = make_network(context_, config_, train_, /*drawn=*/!options.resume);
  optimizer_ = std::make_unique<Optimizer>(context_, model_->parameters(), config_.train.optimizer);
  optimizer_->set_non_finite_limit(config_.train.non_finite_limit);
  steps_ = std::make_unique<TrainingSteps>(*model_, *optimizer_, config_.input, config_.train.record);
  state_.data = {identity_of(train_), identity_of(val_)};
  if (ranks.is_first() && options.resume)
    state_ = resume(folder_->newest_checkpoint(), *model_, *optimizer_,
                    {.config = config_, .categories = train_.categories, .data = *state_.data, .options = options},
                    observer);
  else if (ranks.is_first() && !options.init_from.empty())
    start_from_weights(weights_to_start_from(options, config_, observer), *model_, *optimizer_, options.non_finite,
                       observer);
  share_start(ranks, *model_, *optimizer_, state_);
  first_step_ = steps_read_ = saved_step_ = state_.step;
}

// Once a step was done: what fails before leaves nothing in the folder.
void Trainer::keep_folder() {
  if (!ranks_.is_first() || folder_->kept()) return;
  folder_->keep(first_step_);
  folder_->write_config(config_);
  for (const Dataset* split : {&train_, &val_})
    if (!split->report.bad_boxes.empty())
      write_bad_boxes(folder_->file(split == &train_ ? "bad_boxes.txt" : "bad_boxes_val.txt"), split->report);
}

bool Trainer::checkpoint_is_due() const {
  return state_.step % config_.train.checkpoint_every == 0 || state_.step == retry_save_at_;
}

bool Trainer::validation_is_due() const {
  const int64_t every = config_.train.eval_every;
  return state_.step == config_.train.steps || (every > 0 && state_.step > 0 && state_.step % every == 0);
}

void Trainer::run() {
  try {
    take_steps();
  } catch (const Error& error) {
    const bool agreed = dynamic_cast<const AgreedError*>(&error) != nullptr;  // stop() has saved the run
    if (agreed || error.kind() != ErrorKind::Interrupted || !stop_is_requested()) throw;
    stop_within_step();
  }
  if (!ranks_.is_first()) return;
  observer_.end();
  write_bad_images(folder_->file("bad_images.txt"), bad_files_);
  write_run_chart(*folder_);
}

void Trainer::take_steps() {
  const Interruptible between_steps(may_end_within_step());
  if (ranks_.is_first()) {
    observer_.say(training_summary(config_, schedule_, *model_, {&train_, &val_}, ranks_.size()));
    observer_.begin(state_.step, config_.train.steps, config_.train.batch);
  }
  Loader loader(train_, config_.input,
                {.batch = config_.train.batch / ranks_.size(),
                 .share = share(),
                 .training = true,
                 .seed = config_.seed,
                 .first_batch = state_.step,
                 .batches = config_.train.steps},
                bad_files_);
  const bool repeats =
      ranks_.is_first() && options_.resume && validation_is_due() && !folder_->holds_validation(state_.step);
  if (ranks_.any(repeats)) validate();
  times_.start();
  while (state_.step < config_.train.steps) {
    auto loaded = loader.next();
    const bool records = !context_.recordings.given_up();
    const MemoryEstimate plan = agree_on_step(ranks_, {shape_of(loaded, config_.input), stop_is_requested(), records});
    if (plan.stop) stop();
    if (records && !plan.records) context_.recordings.give_up();
    if (state_.step == first_step_ && context_.queue.on_cuda())
      require_fits(context_, config_, plan.shape, loaded, ranks_.size());
    take_step(std::move(loaded), plan.shape);
    const Interruptible here(false);
    keep_folder();
    const bool last = state_.step == config_.train.steps, saves = last || checkpoint_is_due();
    const bool validates = validation_is_due();
    read_results(saves || validates ? 0 : 1);
    times_.pause();
    try {
      if (validates) validate();
    } catch (...) {  // of a file that is gone, or memory: the steps that are done are not lost with it
      if (ranks_.is_first() && saved_step_ < state_.step) try_to("last", [this] { save(); });
      throw;
    }
    if (last && ranks_.is_first()) save();
    if (saves && !last) save_or_retry();
    times_.go_on();
  }
  if (ranks_.any(stop_is_requested())) stop();
  share_bad_files(ranks_, bad_files_);
}

void Trainer::take_step(std::vector<LoadedImage> batch, const BatchShape& shape) {
  const Tensor& statistics = model_->parameters().fixed_values();
  if (!context_.queue.on_cuda() && Interruptible::current()) {
    statistics_.resize(statistics.bytes());
    context_.queue.copy(statistics_.data(), statistics.raw(), statistics.bytes());
  }
  ranks_.watched(context_.queue, fmt::format("step {}", state_.step + 1),
                 [&] { steps_->enqueue(std::move(batch), shape, schedule_.at(state_.step)); });
  ++state_.step;
  times_.enqueued();
}

// All ranks know whether rank 0 could save, and when it tries again.
void Trainer::save_or_retry() {
  const bool saved = !ranks_.any(ranks_.is_first() && !try_to("last", [this] { save(); }));
  retry_save_at_ = saved ? -1 : state_.step + kRetrySaveAfter;
}

std::string Trainer::stopped_text() const {
  const std::string why = output_fault_.empty() ? "" : output_fault_ + "; ";
  if (state_.step == 0) return why + "stopped before the first step was done; nothing was saved";
  return fmt::format("{}stopped after step {} and saved the run; {}", why, state_.step, advise(advice::kResume));
}

void Trainer::stop() {
  const Interruptible here(false);
  read_results(0);
  if (ranks_.is_first() && saved_step_ < state_.step) save();
  ranks_.barrier();  // nobody ends before it is saved
  all_throw(ranks_, ranks_.any(!output_fault_.empty()) ? ErrorKind::Runtime : ErrorKind::Interrupted, stopped_text());
}

// This rank alone, which is the first, somewhere in a step, a validation or a wait: no other has changed what it saves.
void Trainer::stop_within_step() {
  const Tensor& statistics = model_->parameters().fixed_values();
  if (!statistics_.empty()) context_.queue.copy(statistics.raw(), statistics_.data(), statistics.bytes());
  read_results(0);
  tell([&] { observer_.end(); });
  if (saved_step_ < state_.step) save();
  throw Error(output_fault_.empty() ? ErrorKind::Interrupted : ErrorKind::Runtime, stopped_text());
}

// Logs what came of the steps done, but for the last `running`, which are not waited for.
void Trainer::read_results(size_t running) {
  while (const auto step = steps_->finished(running)) {
    ranks_.check();
    check_finite(*step);
    ++steps_read_;
    const StepTimes::Time time = times_.next();
    if (!ranks_.is_first()) continue;
    averages_.add(step->result, config_.train.batch, time);
    if (steps_read_ % config_.train.log_every == 0 || steps_read_ == config_.train.steps) log_step(step->learning_rate);
    tell([&] { observer_.took_step({steps_read_, step->learning_rate, step->result, time.seconds}); });
  }
}

// Where nobody can be told any more, stdout being closed or full, that is as good as Ctrl-C.
void Trainer::tell(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Interrupted) output_fault_ = error.what();
    request_stop();
  }
}

void Trainer::check_finite(const TrainingSteps::Finished& step) {
  if (!step.result.skipped) return;
  std::string text;
  ranks_.watched(context_.queue, fmt::format("the diagnosis of step {}", steps_read_ + 1),
                 [&] { text = diagnosis(*model_, step, config_.input); });
  text = gather_text(ranks_, text);
  if (++non_finite_ <= config_.train.non_finite_limit) {
    if (text.ends_with('\n')) text.pop_back();
    if (ranks_.is_first())
      notice(fmt::format("skipped step {}, which is not finite ({} of {} allowed): {}", steps_read_ + 1, non_finite_,
                         config_.train.non_finite_limit, text));
    return;
  }
  all_throw(ranks_, ErrorKind::Diverged,
            fmt::format("step {} is not finite and was not applied; {}: {}", steps_read_ + 1, remedies(config_), text));
}

void Trainer::log_step(double rate) {
  const double images = static_cast<double>(steps_read_) * config_.train.batch;
  folder_->log(averages_.line(steps_read_, images / static_cast<double>(train_.samples.size()), rate));
  averages_ = {};
}

void Trainer::validate() {
  const Interruptible here(false);
  keep_folder();
  // Statistics of norms are each rank's own in training: all take those of rank 0, which a checkpoint holds.
  const Tensor& statistics = model_->parameters().fixed_values();
  ranks_.watched(context_.queue, fmt::format("the validation after step {}", state_.step),
                 [&] { ranks_.broadcast(context_.queue, statistics.raw(), statistics.bytes()); });
  model_->parameters().touch();
  // The network that is validated, and kept as the best one, is that of the averaged weights, where there are any.
  const AveragedWeights averaged(*optimizer_);
  const int batch = config_.train.eval_batch > 0
                        ? config_.train.eval_batch
                        : std::min(suitable_batch(options_.device), config_.train.batch / ranks_.size());
  const auto tell_progress = [&](size_t done, size_t images) {
    const int64_t own = (static_cast<int64_t>(images) + ranks_.size() - 1) / ranks_.size();
    if (ranks_.is_first()) tell([&] { observer_.looked_at(static_cast<int64_t>(done), own); });
  };
  const auto own = [&] {
    const Interruptible while_detecting(may_end_within_step());
    return detect_dataset(*model_, val_, train_.categories, config_.input, bad_files_,
                          {.batch = batch,
                           .progress = tell_progress,
                           .interrupted = [] { return stop_is_requested(); },
                           .share = share()});
  }();
  if (ranks_.any(stop_is_requested())) return;
  const auto detections = gather_detections(ranks_, val_, own);
  share_bad_files(ranks_, bad_files_);
  if (!ranks_.is_first()) return;
  const CocoMetrics metrics = evaluate(val_, detections);
  const double ap = metrics.values[Ap];
  tell([&] { observer_.validated(state_.step, metrics, val_); });
  folder_->log(ap_line(state_.step, metrics));
  if (ap > state_.best_ap) {
    const double before = std::exchange(state_.best_ap, ap);
    if (!try_to("best",
                [this] { save_checkpoint(folder_->best(), *model_, nullptr, config_, train_.categories, state_); }))
      state_.best_ap = before;
  }
}

void Trainer::save() {
  folder_->keep_previous();
  save_checkpoint(folder_->last(), *model_, optimizer_.get(), config_, train_.categories, state_);
  if (saved_step_ == first_step_) require_readable(folder_->last());
  saved_step_ = state_.step;
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
    notice(fmt::format("the {} checkpoint of step {} was not saved: {}; training continues", what, state_.step,
                       error.what()));
    return false;
  }
}

std::unique_ptr<Trainer> started(Config config, const TrainOptions& options, Communicator& ranks,
                                 TrainObserver& observer) {
  const Interruptible start;
  try {
    return std::make_unique<Trainer>(std::move(config), options, ranks, observer);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Interrupted) throw;
    throw Error(ErrorKind::Interrupted, options.resume ? "stopped before the first step; the run is as it was"
                                                       : "stopped before the first step; nothing was saved");
  }
}

}  // namespace

void train(Config config, const TrainOptions& options, TrainObserver& observer) {
  const auto ranks = connect_ranks({.timeout = options.rank_timeout});
  // A stop, or a closed stdout, ends the run where it can be saved. Launchers signal all ranks: one answer is enough.
  const Unbroken until_saved(ranks->is_first() ? kAnswer : nullptr);
  try {
    share_machine(*ranks, options.device);
    const PinnedThreads pinned(ranks->local_rank(), ranks->local_size());
    require_same_config(
        *ranks, config,
        fmt::format("fovea {} on {}{}", kVersion, options.device == DeviceKind::Cuda ? "a GPU" : "the CPU",
                    kernels::cpu_has_fast_bf16() ? " with bf16" : ""));
    require_own_gpus(*ranks, options.device);
    batch_of_rank(*ranks, config.train.batch);
    if (ranks->is_first()) check_font();  // of the run's chart
    started(std::move(config), options, *ranks, observer)->run();
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
