// What came of a study's trainings, as their folders tell.
#pragma once
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/device/child_process.h"
#include "tools/report/canvas.h"
#include "tools/study/study.h"

namespace fovea {

// Where a study keeps what is of one run. The training itself has the folder.
struct RunFiles {
  std::filesystem::path folder;  // OUT/runs/NAME: a run as of any training
  std::filesystem::path config;  // OUT/runs/NAME.toml, which it was started with
  std::filesystem::path output;  // OUT/runs/NAME.txt: what it printed
  std::filesystem::path end;     // OUT/runs/NAME.json: how it ended, and how long it took
  std::filesystem::path eval;    // OUT/runs/NAME.eval.json: its evaluation, where speed is measured
};
RunFiles files_of(const std::filesystem::path& out, const std::string& run);

// In the order of the log's words for them: "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large".
constexpr size_t kMetricCount = 6;
inline constexpr const char* kMetricNames[kMetricCount] = {"AP", "AP50", "AP75", "APS", "APM", "APL"};

struct RunResult {
  enum class State : uint8_t { Open, Done, Diverged, Failed };  // Open: not begun, or interrupted
  State state = State::Open;
  std::array<double, kMetricCount> metrics{};  // of the last validation, 0 … 1; negative: no such objects
  double milliseconds = -1;                    // an image, in detection; negative: not measured
  double seconds = 0;                          // of the training, its pauses left out
  std::string why;                             // it diverged or failed, in a line
  std::vector<Point> loss, ap;                 // over the steps
};
// Of a run of so many steps. Files that are missing or broken are as those of a run that is still to be done.
RunResult read_result(const RunFiles& files, int64_t steps);

// How a training ended that did not do all its steps; what there is to say of one that did.
struct RunEnd {
  int exit_code = 0;
  std::string why;
  double seconds = 0;  // of all sittings
};
std::optional<RunEnd> read_end(const RunFiles& files);
void write_end(const RunFiles& files, const RunEnd& end);

// How far a training is, by the last line of progress in what it printed; and how fast.
struct RunPace {
  int64_t step = 0;
  double images_per_second = 0;  // 0: not known yet
};
RunPace pace_in(const std::string& output);

// The last few kilobytes of what a file holds behind `from` bytes; nothing where there is no file.
std::string end_of_file(const std::filesystem::path& path, int64_t from);

// The last message of the program in what a child printed, without its name in front; else the last line.
std::string last_message(const std::string& output);

// Why a child ended other than by having done its work, by its signal or its last message; else empty.
std::string why_it_ended(const ChildEnd& end, const std::string& output);

// Mean and sample standard deviation, with n − 1: how far apart seeds are.
struct Spread {
  size_t count = 0;
  double mean = 0;
  std::optional<double> deviation;  // none of fewer than two
};
Spread spread_of(const std::vector<double>& values);

// What came of all seeds of a variant.
struct VariantResult {
  std::vector<const RunResult*> runs;  // of each seed
  std::array<Spread, kMetricCount> metrics;
  Spread milliseconds;
  size_t diverged = 0, failed = 0, open = 0;

  const Spread& ap() const { return metrics[0]; }
  bool known() const { return ap().count > 0; }
  // It was trained, and never came to an end that could be measured.
  bool all_diverged() const { return !runs.empty() && diverged == runs.size(); }
};
// results[i] is that of runs[i]; they outlive what is returned, which has an entry for each variant.
std::vector<VariantResult> by_variant(const Study& study, const std::vector<StudyRun>& runs,
                                      const std::vector<RunResult>& results);

// One line for each run: study, variant, seed, state, metrics, time, and the settings that vary. RFC 4180.
std::string results_csv(const Study& study, const std::vector<StudyRun>& runs, const std::vector<RunResult>& results);

}  // namespace fovea
