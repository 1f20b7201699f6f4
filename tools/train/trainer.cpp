#include "tools/train/trainer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <functional>
#include <memory>
#include <utility>

#include "tools/data/loader.h"
#include "tools/eval/evaluate.h"
#include "tools/report/progress.h"
#include "tools/train/checkpoint.h"
#include "tools/train/run_chart.h"
#include "tools/train/run_folder.h"
#include "tools/train/step.h"

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

// Means since the last line of the log.
struct Averages {
  double classification = 0, box = 0, norm = 0;
  int64_t positives = 0, steps = 0, images = 0;
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
  void add(const StepResult& r, size_t batch) {
    classification += r.classification;
    box += r.box;
    norm += r.gradient_norm;
    positives += r.positives;
    images += static_cast<int64_t>(batch);
    ++steps;
  }
  double images_per_second() const {
    return static_cast<double>(images) /
           std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
  }
};

class Trainer {
 public:
  Trainer(Config config, const TrainOptions& options);
  void run();

 private:
  void resume();
  void announce() const;
  int64_t boxes_under_a_pixel() const;
  bool checkpoint_is_due() const;
  bool validation_is_due() const;
  bool validation_is_logged() const;
  [[noreturn]] void stop(bool saved);
  void tell(const std::function<void()>& print);
  void read_results(size_t running);
  void check_finite(const TrainingSteps::Finished& step);
  void log_step(double rate);
  void validate();
  void save();
  bool try_to(const char* what, const std::function<void()>& write);

  Config config_;
  TrainOptions options_;
  RunFolder folder_;
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
};

Trainer::Trainer(Config config, const TrainOptions& options)
    : config_(std::move(config)),
      options_(options),
      folder_(options.out, options.resume),
      train_(load_coco(options.data, "train", {.bad_boxes = options.bad_boxes})),
      val_(load_coco(options.data, "val", {.bad_boxes = options.bad_boxes})),
      context_(options.device, config_.precision, config_.convolution),
      bad_files_(static_cast<int64_t>(train_.samples.size() + val_.samples.size()), options.bad_images) {
  config_.model.classes = static_cast<int>(train_.categories.size());
  fovea::validate(config_);
  schedule_ = schedule_of(config_);
  model_ = std::make_unique<RetinaNet>(context_, config_.model, config_.seed);
  optimizer_ = std::make_unique<Optimizer>(context_, model_->parameters(), config_.train.optimizer);
  optimizer_->set_non_finite_limit(config_.train.non_finite_limit);
  steps_ = std::make_unique<TrainingSteps>(*model_, *optimizer_, config_.input, config_.train.record);
  if (options.resume) {
    resume();
  } else if (!options.init_from.empty()) {
    const WeightsReport report =
        load_weights(SafetensorsFile(options.init_from), model_->parameters(), LoadMode::Matching);
    if (report.reinitialised.size() == model_->parameters().all().size())
      throw Error(ErrorKind::Data,
                  fmt::format("--init-from {}: no tensor of it fits this model", options.init_from.string()));
    fmt::print("weights from {}; started anew, as they are missing or of another shape there: {}\n",
               options.init_from.string(),
               report.reinitialised.empty() ? "none" : fmt::format("{}", fmt::join(report.reinitialised, ", ")));
  }
  folder_.write_config(config_);
  for (const Dataset* split : {&train_, &val_})
    if (!split->report.bad_boxes.empty())
      write_bad_boxes(folder_.file(split == &train_ ? "bad_boxes.txt" : "bad_boxes_val.txt"), split->report);
}

void Trainer::resume() {
  const SafetensorsFile file = folder_.newest_checkpoint();
  const CheckpointInfo info = read_info(file);
  if (!info.state || !info.config)
    throw Error(ErrorKind::Data,
                fmt::format("{}: it holds weights only; start from it with --init-from", file.path().string()));
  const auto changes = differences(*info.config, config_);
  if (!changes.empty() && !options_.allow_config_change)
    throw Error(ErrorKind::Usage,
                fmt::format("--resume: the configuration differs from the checkpoint's (checkpoint -> now):\n  "
                            "{}\nRepeat the run's own options, or add --allow-config-change to go on with the new ones",
                            fmt::join(changes, "\n  ")));
  load_weights(file, model_->parameters(), LoadMode::Exact);
  restore_optimizer(file, *optimizer_);
  state_ = *info.state;
  folder_.truncate_log(state_.step);
  fmt::print("resuming {} after step {}\n", file.path().string(), state_.step);
}

void Trainer::announce() const {
  for (const Dataset* split : {&train_, &val_}) {
    fmt::print("{}: {} images, {} boxes, {} classes\n", split->split, split->samples.size(), split->report.objects,
               split->categories.size());
    fmt::print("{}", split->report.text());
  }
  if (const int64_t tiny = boxes_under_a_pixel(); tiny > 0)
    fmt::print("train: {} boxes are narrower or lower than one pixel after the resize and are matched to nothing\n",
               tiny);
  const auto& s = config_.train.schedule;
  const int batch = config_.train.batch;
  const bool scaled = s.reference_batch > 0 && s.reference_batch != batch;
  const std::string rate = scaled
                               ? fmt::format("{:g} x {} / {} = {:g}", s.base, batch, s.reference_batch, schedule_.base)
                               : fmt::format("{:g}", schedule_.base);
  fmt::print("{:.2f} M parameters, {:.2f} M trained; {}; learning rate {}; {} steps of {} images = {:.1f} epochs\n",
             model_->parameters().total_count() / 1e6, model_->parameters().trainable_count() / 1e6,
             name_of(context_.activation_dtype), rate, config_.train.steps, batch,
             static_cast<double>(config_.train.steps * batch) / static_cast<double>(train_.samples.size()));
}

int64_t Trainer::boxes_under_a_pixel() const {
  int64_t count = 0;
  for (const Sample& sample : train_.samples) {
    const Size size = resized({sample.height, sample.width}, config_.input.short_side.back(), config_.input.long_side);
    const float y = static_cast<float>(size.height) / static_cast<float>(sample.height);
    const float x = static_cast<float>(size.width) / static_cast<float>(sample.width);
    for (const Object& o : sample.objects) count += (o.x2 - o.x1) * x < 1 || (o.y2 - o.y1) * y < 1 ? 1 : 0;
  }
  return count;
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
  for (const std::string& line : folder_.log_lines())
    if (number_in(line, "step") == static_cast<double>(state_.step) && line.find("\"ap\"") != std::string::npos)
      return true;
  return false;
}

void Trainer::run() {
  announce();
  Loader loader(train_, config_.input,
                {.batch = config_.train.batch,
                 .training = true,
                 .seed = config_.seed,
                 .first_batch = state_.step,
                 .batches = config_.train.steps},
                bad_files_);
  progress_ = std::make_unique<Progress>(config_.train.steps, state_.step);
  if (options_.resume && validation_is_due() && !validation_is_logged()) validate();
  steps_read_ = state_.step;
  while (state_.step < config_.train.steps) {
    steps_->enqueue(loader.next(), schedule_.at(state_.step));
    ++state_.step;
    const bool last = state_.step == config_.train.steps, saves = last || checkpoint_is_due();
    const bool validates = validation_is_due();
    read_results(saves || validates || stop_requested ? 0 : 1);
    if (validates) validate();
    if (last)
      save();
    else if (saves)
      retry_save_at_ = try_to("last", [this] { save(); }) ? -1 : state_.step + kRetrySaveAfter;
    if (stop_requested) stop(/*saved=*/last);
  }
  progress_->finish();
  if (bad_files_.count() > 0) bad_files_.write(folder_.file("bad_images.txt"));
  write_run_chart(folder_);
}

void Trainer::stop(bool saved) {
  read_results(0);
  if (!saved) save();
  throw Error(ErrorKind::Interrupted, fmt::format("stopped after step {}, saved; go on with --resume", state_.step));
}

// Logs what came of the steps done, but for the last `running`, which are not waited for.
void Trainer::read_results(size_t running) {
  while (const auto step = steps_->finished(running)) {
    check_finite(*step);
    ++steps_read_;
    averages_.add(step->result, step->batch.size());
    if (steps_read_ % config_.train.log_every == 0 || steps_read_ == config_.train.steps) log_step(step->learning_rate);
    tell([&] { progress_->update(steps_read_, step->result.loss(), static_cast<int64_t>(step->batch.size())); });
  }
}

// Where nobody reads stdout any more, that is as good as Ctrl-C.
void Trainer::tell(const std::function<void()>& print) {
  try {
    print();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Interrupted) throw;
    stop_requested = true;
  }
}

void Trainer::check_finite(const TrainingSteps::Finished& step) {
  if (!step.result.skipped) return;
  const std::string text = diagnosis(*model_, step, config_.input);
  if (++non_finite_ <= config_.train.non_finite_limit) {
    fmt::print(stderr, "fovea: step {} skipped, it is not finite ({} of {} allowed): {}", steps_read_ + 1, non_finite_,
               config_.train.non_finite_limit, text);
    return;
  }
  throw Error(
      ErrorKind::Diverged,
      fmt::format(
          "step {} is not finite and was not applied; lower train.schedule.base, or set train.optimizer.clip_norm: {}",
          steps_read_ + 1, text));
}

void Trainer::log_step(double rate) {
  const auto mean = [&](double sum) { return sum / static_cast<double>(averages_.steps); };
  const auto finite = [](double value) {
    return std::isfinite(value) ? fmt::format("{:.7g}", value) : std::string("null");
  };
  folder_.log(fmt::format(
      R"({{"step":{},"epoch":{:.4f},"loss":{},"classification":{},"box":{},"learning_rate":{:.8g},"gradient_norm":{},"positives_per_image":{:.2f},"images_per_second":{:.3f}}})",
      steps_read_, static_cast<double>(steps_read_) * config_.train.batch / static_cast<double>(train_.samples.size()),
      finite(mean(averages_.classification + averages_.box)), finite(mean(averages_.classification)),
      finite(mean(averages_.box)), rate, finite(mean(averages_.norm)),
      static_cast<double>(averages_.positives) / static_cast<double>(averages_.images), averages_.images_per_second()));
  averages_ = {};
}

void Trainer::validate() {
  // The network that is validated, and kept as the best one, is that of the averaged weights, where there are any.
  struct Averaged {
    Optimizer& optimizer;
    explicit Averaged(Optimizer& o) : optimizer(o) { optimizer.swap_average(); }
    ~Averaged() { optimizer.swap_average(); }
  } averaged(*optimizer_);
  const auto detections = detect_dataset(*model_, val_, train_.categories, config_.input, bad_files_, {},
                                         [] { return stop_requested.load(); });
  if (stop_requested) return;
  const CocoMetrics metrics = evaluate(val_, detections);
  const double ap = metrics.values[Ap];
  tell([&] {
    progress_->message(fmt::format("step {}: AP {:.3f}  AP50 {:.3f}  AP75 {:.3f} on {} validation images", state_.step,
                                   ap, metrics.values[Ap50], metrics.values[Ap75], val_.samples.size()));
  });
  folder_.log(fmt::format(R"({{"step":{},"ap":{:.17g},"ap50":{:.17g},"ap75":{:.17g}}})", state_.step, ap,
                          metrics.values[Ap50], metrics.values[Ap75]));
  if (ap > state_.best_ap) {
    const double before = std::exchange(state_.best_ap, ap);
    if (!try_to("best",
                [this] { save_checkpoint(folder_.best(), *model_, nullptr, config_, train_.categories, state_); }))
      state_.best_ap = before;
  }
  progress_->restart_clock();
  averages_.since = std::chrono::steady_clock::now();
}

void Trainer::save() {
  folder_.keep_previous();
  save_checkpoint(folder_.last(), *model_, optimizer_.get(), config_, train_.categories, state_);
  write_run_chart(folder_);
}

// A full disk must not end a training of days: the run goes on, and tries again.
bool Trainer::try_to(const char* what, const std::function<void()>& write) {
  try {
    write();
    return true;
  } catch (const DeviceError&) {
    throw;  // no fault of the disk
  } catch (const Error& error) {
    fmt::print(stderr, "fovea: the {} checkpoint of step {} was not saved: {}; training goes on\n", what, state_.step,
               error.what());
    return false;
  }
}

}  // namespace

void train(Config config, const TrainOptions& options) { Trainer(std::move(config), options).run(); }

}  // namespace fovea
