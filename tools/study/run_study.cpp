#include "tools/study/run_study.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <deque>
#include <memory>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/device/environment.h"
#include "kernels/device/threads.h"
#include "kernels/error.h"
#include "tools/device/child_process.h"
#include "tools/report/progress.h"
#include "tools/study/rehearsal.h"
#include "tools/study/study_cost.h"
#include "tools/study/study_page.h"
#include "tools/study/verdict.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

using RunState = RunResult::State;

constexpr const char* kStopping = "fovea: stopping: each training saves itself first; again to stop at once\n";
constexpr int kLookAgain = 100;  // milliseconds between two looks at the trainings

int64_t size_of(const fs::path& path) {
  std::error_code missing;
  const auto size = fs::file_size(path, missing);
  return missing ? 0 : static_cast<int64_t>(size);
}

// Several processes share the cores; what is in the environment for the user's command is in their files already.
std::map<std::string, std::string> environment_of_jobs(int jobs) {
  std::map<std::string, std::string> changes{{"FOVEA_SET", ""}};
  if (jobs == 1) return changes;
  const char* asked = environment("OMP_NUM_THREADS");
  const int64_t threads = asked == nullptr ? usable_cores() : parse_integer(asked).value_or(1);
  changes["OMP_NUM_THREADS"] = std::to_string(std::max<int64_t>(1, threads / jobs));
  return changes;
}

class StudyRunner {
 public:
  StudyRunner(const Study& study, const Config& base, const StudyFolder& folder, const StudyOptions& options);
  void run();

 private:
  struct Active {
    size_t run;
    std::unique_ptr<ChildProcess> process;
    double started, seconds_before;  // of earlier sittings
    int64_t output_from, step, first_step;
  };

  RunFiles files(size_t run) const { return files_of(folder_.path(), runs_[run].name); }
  bool has_checkpoint(size_t run) const;
  int64_t first_step(size_t run) const;
  // Multiply-adds that were done in some seconds, by what; none where it is not known why.
  struct Speed {
    double seconds = 0, macs = 0;
    std::string by, why;
  };
  Speed speed_so_far(const std::vector<double>& macs) const;
  Speed rehearsed_speed(const std::vector<double>& macs) const;
  void tell_cost() const;
  void announce() const;
  void train_all();
  void start(size_t run);
  void look_at(Active& active);
  void take_end(Active& active, const ChildEnd& end);
  void tell(const std::function<void(Progress&)>& say);
  void tell(const std::string& line) {
    tell([&](Progress& progress) { progress.message(line); });
  }
  void tell_progress();
  void measure_speed();
  void stop();
  void write_page() const;
  void finish() const;

  const Study& study_;
  const StudyFolder& folder_;
  const StudyOptions& options_;
  int seeds_;
  std::vector<StudyRun> runs_;
  std::vector<RunResult> results_;
  std::deque<size_t> open_;
  std::vector<Active> active_;
  std::vector<std::string> faults_;
  std::unique_ptr<Progress> progress_;
  double began_ = 0;
  int64_t steps_before_ = 0, steps_ended_ = 0, steps_told_ = 0;  // of earlier sittings; of what ended in this one
};

// As many as are asked for, or as the folder has trainings of: what was done is shown, whatever is added.
int seeds_there(const Study& study, const Config& base, const StudyFolder& folder, int asked) {
  const auto has_run_of = [&](uint64_t seed) {
    return std::any_of(study.variants.begin(), study.variants.end(), [&](const Variant& variant) {
      return is_there(files_of(folder.path(), name_of_run(variant, seed)).end);
    });
  };
  int seeds = asked;
  while (has_run_of(base.seed + static_cast<uint64_t>(seeds))) ++seeds;
  return seeds;
}

StudyRunner::StudyRunner(const Study& study, const Config& base, const StudyFolder& folder, const StudyOptions& options)
    : study_(study),
      folder_(folder),
      options_(options),
      seeds_(seeds_there(study, base, folder, options.seeds)),
      runs_(runs_of(study, base, seeds_)) {
  for (size_t run = 0; run < runs_.size(); ++run) {
    const RunResult& result = results_.emplace_back(read_result(files(run), runs_[run].config.train.steps));
    const bool open = result.state == RunState::Open || result.state == RunState::Failed;
    if (open) open_.push_back(run);
    steps_before_ += open ? first_step(run) : runs_[run].config.train.steps;
  }
}

bool StudyRunner::has_checkpoint(size_t run) const {
  const fs::path folder = files(run).folder;
  return is_there(folder / "last.safetensors") || is_there(folder / "previous.safetensors");
}

// About where it goes on.
int64_t StudyRunner::first_step(size_t run) const {
  const auto& loss = results_[run].loss;
  return has_checkpoint(run) && !loss.empty() ? static_cast<int64_t>(loss.back().x) : 0;
}

void StudyRunner::announce() const {
  const size_t done = runs_.size() - open_.size();
  fmt::print("study {}: {}\n{} variants × {} seed{} = {} trainings of {} steps, {} at a time{}\n", study_.name,
             printable(study_.title), study_.variants.size(), seeds_, seeds_ == 1 ? "" : "s", runs_.size(),
             runs_[0].config.train.steps, options_.jobs, done > 0 ? fmt::format("; {} are done", done) : "");
  if (!open_.empty()) tell_cost();
}

StudyRunner::Speed StudyRunner::speed_so_far(const std::vector<double>& macs) const {
  Speed speed;
  size_t done = 0;
  for (size_t run = 0; run < runs_.size(); ++run) {
    if (results_[run].state != RunState::Done || results_[run].seconds <= 0) continue;
    speed.seconds += results_[run].seconds;
    speed.macs += macs_of_training(runs_[run].config, macs[run], options_.val_images);
    ++done;
  }
  if (done > 0) speed.by = fmt::format("the {} that {} done", done, done == 1 ? "is" : "are");
  return speed;
}

StudyRunner::Speed StudyRunner::rehearsed_speed(const std::vector<double>& macs) const {
  fmt::print("timing the first steps of a training …\n");
  std::fflush(stdout);
  const size_t first = open_.front();
  const Config& config = runs_[first].config;
  const Rehearsal rehearsal = rehearse(
      files_of(folder_.path(), ".rehearsal"), config,
      [&](const RunFiles& files) { return options_.train(files, false); }, environment_of_jobs(options_.jobs));
  if (!rehearsal.why.empty()) return {.why = rehearsal.why};
  return {.seconds = static_cast<double>(rehearsal.steps * config.train.batch) / rehearsal.images_per_second,
          .macs = macs_of_steps(config, macs[first], rehearsal.steps),
          .by = fmt::format("{} steps of the first one", rehearsal.steps)};
}

// As if all took the time of a multiply-add that some took.
void StudyRunner::tell_cost() const {
  std::map<size_t, double> of_variant;  // whose seeds are alike in it
  std::vector<double> macs;             // of an image, by run
  for (const StudyRun& run : runs_) {
    if (!of_variant.contains(run.variant)) of_variant[run.variant] = macs_of_image(run.config);
    macs.push_back(of_variant[run.variant]);
  }
  Speed speed = speed_so_far(macs);
  if (speed.macs <= 0) speed = rehearsed_speed(macs);
  if (stop_requested) return;
  if (speed.macs <= 0) return fmt::print("cost: not known, as that training ended: {}\n", speed.why);
  std::vector<double> seconds;
  for (const size_t run : open_) {
    const Config& config = runs_[run].config;
    const double left = 1 - static_cast<double>(first_step(run)) / static_cast<double>(config.train.steps);
    seconds.push_back(left * macs_of_training(config, macs[run], options_.val_images) * speed.seconds / speed.macs);
  }
  fmt::print("cost: {} (by {})\n", cost_text(seconds, options_.jobs), speed.by);
}

void StudyRunner::start(size_t run) {
  const RunFiles files = this->files(run);
  const bool resume = has_checkpoint(run);
  // Of a run that ended while it wrote its first checkpoint: there is nothing to go on from.
  if (!resume && is_there(files.folder / "best.safetensors")) fs::remove(files.folder / "best.safetensors");
  write_file_atomically(files.config, "# A training of a study.\n" + to_toml(runs_[run].config));
  const int64_t first = first_step(run);
  Active active{.run = run,
                .process = nullptr,
                .started = steady_seconds(),
                .seconds_before = results_[run].seconds,
                .output_from = size_of(files.output),
                .step = first,
                .first_step = first};
  active.process = std::make_unique<ChildProcess>(
      ChildStart{options_.train(files, resume), files.output, environment_of_jobs(options_.jobs)});
  active_.push_back(std::move(active));
}

void StudyRunner::look_at(Active& active) {
  const RunPace pace = pace_in(end_of_file(files(active.run).output, active.output_from));
  active.step = std::max(active.step, pace.step);
}

void StudyRunner::take_end(Active& active, const ChildEnd& end) {
  const RunFiles files = this->files(active.run);
  const double seconds = steady_seconds() - active.started;
  RunEnd said{end.signal != 0 ? 128 + end.signal : end.exit_code,
              why_it_ended(end, end_of_file(files.output, active.output_from)), active.seconds_before + seconds};
  if (stop_requested && said.exit_code != static_cast<int>(ErrorKind::Diverged)) said = {0, "", said.seconds};
  write_end(files, said);
  RunResult& result = results_[active.run] = read_result(files, runs_[active.run].config.train.steps);
  if (result.state == RunState::Open && !stop_requested) {
    result.state = RunState::Failed;
    result.why = "it ended without its last validation";
  }
  const std::string& name = runs_[active.run].name;
  steps_ended_ +=
      (result.state == RunState::Open ? active.step : runs_[active.run].config.train.steps) - active.first_step;
  if (result.state == RunState::Done) {
    tell(fmt::format("{}: AP {}  AP50 {}  AP75 {}  ({})", name, points_text(result.metrics[0]),
                     points_text(result.metrics[1]), points_text(result.metrics[2]), format_duration(seconds)));
  } else if (result.state != RunState::Open) {
    const bool diverged = result.state == RunState::Diverged;
    tell(fmt::format("{}: {}: {}", name, diverged ? "diverged" : "failed", result.why));
  }
}

// Where nobody reads stdout any more, or it takes no more, that is as good as Ctrl-C.
void StudyRunner::tell(const std::function<void(Progress&)>& say) {
  try {
    say(*progress_);
  } catch (const Error&) {
    stop_requested = true;
  }
}

// By the mean pace of this sitting, with all that trainings do besides steps.
void StudyRunner::tell_progress() {
  int64_t steps = steps_ended_;
  for (const Active& active : active_) steps += active.step - active.first_step;
  constexpr double kWarm = 10;  // seconds: before that the start of the first training is most of them
  if (steps <= steps_told_ || (steady_seconds() - began_ < kWarm && !active_.empty())) return;
  const double pace = (steady_seconds() - began_) / static_cast<double>(steps);
  const int64_t more = steps - steps_told_;
  steps_told_ = steps;
  const int64_t images = more * runs_[0].config.train.batch;
  tell([&](Progress& progress) {
    progress.update(steps_before_ + steps, {}, images, pace * static_cast<double>(more));
  });
}

void StudyRunner::train_all() {
  if (open_.empty()) return;
  int64_t total = 0;
  for (const StudyRun& run : runs_) total += run.config.train.steps;
  progress_ = std::make_unique<Progress>(total, steps_before_, ProgressOptions{.unit = "step"});
  began_ = steady_seconds();
  while (!open_.empty() || !active_.empty()) {
    if (stop_requested) stop();
    while (!open_.empty() && active_.size() < static_cast<size_t>(options_.jobs)) {
      const size_t run = open_.front();
      open_.pop_front();
      start(run);
    }
    poll(nullptr, 0, kLookAgain);
    for (size_t i = 0; i < active_.size();) {
      look_at(active_[i]);
      const auto end = active_[i].process->ended();
      if (!end) {
        ++i;
        continue;
      }
      take_end(active_[i], *end);
      active_.erase(active_.begin() + static_cast<int64_t>(i));
      write_page();
    }
    tell_progress();
  }
  tell([](Progress& progress) { progress.finish(); });
}

void StudyRunner::stop() {
  for (Active& active : active_) active.process->signal(SIGINT);  // a terminal has sent it to them too
  while (!active_.empty()) {
    poll(nullptr, 0, kLookAgain);
    for (size_t i = 0; i < active_.size();) {
      const auto end = active_[i].process->ended();
      if (end) take_end(active_[i], *end);
      if (end)
        active_.erase(active_.begin() + static_cast<int64_t>(i));
      else
        ++i;
    }
  }
  if (progress_) tell([](Progress& progress) { progress.finish(); });
  write_page();
  const auto done = std::count_if(results_.begin(), results_.end(), [](auto& r) { return r.state == RunState::Done; });
  throw Error(ErrorKind::Interrupted,
              fmt::format("stopped; {} of {} trainings are done, and the same command goes on", done, runs_.size()));
}

// One after the other, with nothing beside it.
void StudyRunner::measure_speed() {
  for (size_t run = 0; run < runs_.size(); ++run) {
    if (results_[run].state != RunState::Done || results_[run].milliseconds >= 0) continue;
    const RunFiles files = this->files(run);
    fmt::print("{}: timing detection …\n", runs_[run].name);
    std::fflush(stdout);
    ChildProcess process({options_.evaluate(files, false), files.output, environment_of_jobs(1)});
    while (!process.ended()) {
      if (stop_requested) process.signal(SIGINT);
      poll(nullptr, 0, kLookAgain);
    }
    if (stop_requested) stop();
    results_[run] = read_result(files, runs_[run].config.train.steps);
    if (results_[run].milliseconds < 0)
      faults_.push_back(fmt::format("{}: timing its detection failed: {}", runs_[run].name,
                                    last_message(end_of_file(files.output, 0))));
    write_page();
  }
}

void StudyRunner::write_page() const {
  write_file_atomically(folder_.file(kStudyCsv), results_csv(study_, runs_, results_));
  write_file_atomically(folder_.file(kStudyPage),
                        study_page({study_, runs_, results_, options_.command, options_.data, options_.start}));
}

void StudyRunner::finish() const {
  const auto variants = by_variant(study_, runs_, results_);
  fmt::print("\n{}\n{}\n", study_table(study_, variants), best_sentence(study_, variants));
  for (const CheckedClaim& claim : check_claims(study_, variants))
    fmt::print("The paper: {}.\n  {}\n", claim.claim, claim.finding);
  fmt::print("page: {}\n", printable(folder_.file(kStudyPage).native()));
  size_t diverged = 0, failed = faults_.size();
  std::string first = faults_.empty() ? "" : faults_.front();
  for (size_t run = 0; run < runs_.size(); ++run) {
    const bool has_diverged = results_[run].state == RunState::Diverged;
    if (results_[run].state == RunState::Done || results_[run].state == RunState::Open) continue;
    diverged += has_diverged;
    failed += !has_diverged;
    if (first.empty()) first = runs_[run].name + ": " + results_[run].why;
  }
  if (diverged + failed == 0) return;
  throw Error(
      failed > 0 ? ErrorKind::Runtime : ErrorKind::Diverged,
      fmt::format("{} of {} trainings diverged, {} failed; the first: {}", diverged, runs_.size(), failed, first));
}

void StudyRunner::run() {
  const Unbroken until_saved(kStopping);
  announce();
  std::fflush(stdout);
  train_all();
  if (study_.speed) measure_speed();
  write_page();
  finish();
}

}  // namespace

void run_study(const Study& study, const Config& base, const StudyFolder& folder, const StudyOptions& options) {
  StudyRunner(study, base, folder, options).run();
}

}  // namespace fovea
