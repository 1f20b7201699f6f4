#include "tools/study/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/printable.h"
#include "kernels/error.h"

namespace fovea {

Config config_of(const Config& base, const Variant& variant) {
  Config config = base;
  try {
    for (const std::string& setting : variant.settings) apply_setting(config, setting);
    validate(config);
    if (config.train.steps < 1) throw Error(ErrorKind::Usage, "train.steps must be at least 1: a study trains");
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", printable(variant.name), error.what()));
  }
  return config;
}

void set_steps(Config& config, int64_t steps) {
  const double share = static_cast<double>(steps) / static_cast<double>(std::max<int64_t>(1, config.train.steps));
  const auto scaled = [&](int64_t of_all) { return std::llround(share * static_cast<double>(of_all)); };
  config.train.steps = steps;
  config.train.log_every = std::clamp<int64_t>(scaled(config.train.log_every), 1, config.train.log_every);
  config.train.schedule.warmup_steps = scaled(config.train.schedule.warmup_steps);
  for (int64_t& milestone : config.train.schedule.milestones) milestone = scaled(milestone);
}

std::string name_of_run(const Variant& variant, uint64_t seed) { return fmt::format("{}-seed{}", variant.name, seed); }

std::vector<StudyRun> runs_of(const Study& study, const Config& base, int seeds) {
  std::vector<StudyRun> runs;
  for (int i = 0; i < seeds; ++i) {
    for (size_t v = 0; v < study.variants.size(); ++v) {
      StudyRun run{{}, v, config_of(base, study.variants[v])};
      run.config.seed = base.seed + static_cast<uint64_t>(i);
      run.name = name_of_run(study.variants[v], run.config.seed);
      runs.push_back(std::move(run));
    }
  }
  return runs;
}

}  // namespace fovea
