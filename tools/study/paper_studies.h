// The experiments of the paper that can be repeated, in its order: tables 1a to 1e, section 5.1, table 2.
#pragma once
#include <string>
#include <vector>

#include "tools/study/study.h"

namespace fovea {

struct PaperStudy {
  const char *name, *title;
  Study (*make)(const Config& config);  // the variants can depend on what the configuration is of
};
const std::vector<PaperStudy>& paper_studies();

// The study of this name, for this configuration. Throws Error(Usage) with the nearest name.
Study paper_study(const std::string& name, const Config& config);

// Values of settings, each as "key=value,value", a list in brackets: all of their combinations. Throws Error(Usage)
// where one has no value, or a key stands there twice.
Study custom_study(const std::vector<std::string>& varied);

}  // namespace fovea
