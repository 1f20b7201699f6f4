#include "kernels/device/environment.h"

#include <cstdlib>

namespace fovea {

const char* environment(const char* name) {
  const char* value = name == nullptr ? nullptr : std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

std::string cache_folder() {
  if (const char* cache = environment("XDG_CACHE_HOME")) return std::string(cache) + "/fovea";
  if (const char* home = environment("HOME")) return std::string(home) + "/.cache/fovea";
  return "";
}

}  // namespace fovea
