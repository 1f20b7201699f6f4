// The first steps of a training, to learn how fast it is before a study begins.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tools/study/run_result.h"

namespace fovea {

struct Rehearsal {
  int64_t steps = 0;  // that were timed
  double images_per_second = 0;
  std::string why;  // there is no pace
};

// Makes the command line of a training from files.config into files.folder.
using RehearsalCommand = std::function<std::vector<std::string>(const RunFiles& files)>;

// Starts a training of this configuration in files of its own, looks at its pace for some seconds, ends it and removes
// the files. Ends early where a stop is requested (kernels/interrupt.h).
Rehearsal rehearse(const RunFiles& files, const Config& config, const RehearsalCommand& command,
                   const std::map<std::string, std::string>& environment);

}  // namespace fovea
