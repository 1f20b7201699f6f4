// The highest resident memory of this process, from /proc.
#pragma once
#include <cstddef>
#include <fstream>
#include <string>

namespace fovea {

inline size_t peak_rss() {  // bytes
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

// From now on. Where the kernel does not allow it, the peak stays that of the whole process.
inline void reset_peak_rss() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace fovea
