// A configuration file; what it gives is written as TOML and must read back the same.
#include <cstdlib>

#include "tests/fuzz/fuzz.h"
#include "tools/config/config.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("config.toml", bytes, [](const std::filesystem::path& file) {
    fovea::Config config = fovea::preset("tiny");
    fovea::apply_file(config, file);
    fovea::validate(config);
    fovea::Config again = fovea::preset("paper");
    fovea::apply_toml(again, fovea::to_toml(config), "written");
    if (!fovea::differences(config, again).empty()) std::abort();
  });
}
