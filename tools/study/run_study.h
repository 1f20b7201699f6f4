// Runs the trainings of a study that are not done yet, each in a process of its own, and writes its page and its CSV
// file anew after each.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tools/study/run_result.h"
#include "tools/study/study_folder.h"

namespace fovea {

struct StudyOptions {
  int seeds = 1, jobs = 1;
  std::string command, data, start;  // as in StudyPage
  size_t val_images = 0;
  // The command lines of the processes: a training from its configuration file, or one that goes on; the evaluation of
  // its last weights, which writes files.eval.
  using Command = std::function<std::vector<std::string>(const RunFiles& files, bool resume)>;
  Command train, evaluate;
};

// Says what the study costs before it starts, and how far it is. A training that diverges or fails is
// said, and the others go on; at the end that is an Error: Diverged where nothing else went wrong, else Runtime. Where
// a stop is requested (kernels/interrupt.h) the trainings are told to save themselves, and Error(Interrupted) is thrown
// when they have ended.
void run_study(const Study& study, const Config& base, const StudyFolder& folder, const StudyOptions& options);

}  // namespace fovea
