#include "tools/study/rehearsal.h"

#include <poll.h>

#include "engine/files.h"
#include "kernels/interrupt.h"
#include "tools/device/child_process.h"
#include "tools/report/pace.h"

namespace fovea {

namespace {

constexpr double kWarm = 8;  // seconds of steps after which their pace predicts the rest

void remove_rehearsal(const RunFiles& files) {
  std::filesystem::remove_all(files.folder);
  for (const auto& file : {files.config, files.output}) std::filesystem::remove(file);
}

// Of one that ended by itself, as short ones do: by all that it did.
Rehearsal whole(const ChildEnd& end, const std::string& output, const Config& config, double seconds) {
  if (const std::string why = why_it_ended(end, output); !why.empty()) return {.why = why};
  const int64_t steps = config.train.steps;
  return {steps, static_cast<double>(steps * config.train.batch) / seconds, {}};
}

}  // namespace

Rehearsal rehearse(const RunFiles& files, const Config& config, const RehearsalCommand& command,
                   const std::map<std::string, std::string>& environment) {
  constexpr int kLookAgain = 100;  // milliseconds
  remove_rehearsal(files);         // of one that was killed
  write_file_atomically(files.config, "# The first steps of a training, to time them.\n" + to_toml(config));
  Rehearsal result{.why = "it was stopped"};
  {
    ChildProcess process({command(files), files.output, environment});
    const double start = steady_seconds();
    while (!stop_requested) {
      poll(nullptr, 0, kLookAgain);
      const double seconds = steady_seconds() - start;
      const auto& end = process.ended();
      const std::string output = end_of_file(files.output, 0);
      if (end) {
        result = whole(*end, output, config, seconds);
        break;
      }
      const RunPace pace = pace_in(output);
      if (pace.step >= 2 && seconds >= kWarm && pace.images_per_second > 0) {  // the first step is slow
        result = {pace.step, pace.images_per_second, {}};
        break;
      }
    }
  }
  remove_rehearsal(files);
  return result;
}

}  // namespace fovea
