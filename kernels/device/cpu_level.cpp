#include "kernels/device/cpu_level.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/error.h"

namespace fovea {
namespace {

struct Level {
  const char* name;
  const char* tunable;  // what takes the next level away from glibc's loader
  const char* onednn;   // oneDNN's highest instruction set within this level
};
constexpr std::array<Level, 3> kLevels{{{"x86-64-v2", "glibc.cpu.hwcaps=-AVX2", "SSE41"},
                                        {"x86-64-v3", "glibc.cpu.hwcaps=-AVX512F", "AVX2"},
                                        {"x86-64-v4", "", "ALL"}}};

int level_number(const char* name) {
  for (size_t i = 0; i < kLevels.size(); ++i)
    if (std::strcmp(kLevels[i].name, name) == 0) return static_cast<int>(i);
  return -1;
}

Error refused(const std::string& asked, const std::string& why) {
  return {ErrorKind::Usage, "FOVEA_CPU_LEVEL=" + asked + ": " + why};
}

void limit_onednn(const Level& level) {
  setenv("ONEDNN_MAX_CPU_ISA", level.onednn, 0);
  setenv("DNNL_MAX_CPU_ISA", level.onednn, 0);
}

}  // namespace

const char* kernel_level() {
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
  return "x86-64-v4";
#elif defined(__AVX2__) && defined(__FMA__)
  return "x86-64-v3";
#elif defined(__SSE4_2__)
  return "x86-64-v2";
#elif defined(__x86_64__)
  return "x86-64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "generic";
#endif
}

const char* cpu_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  const bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return v4 ? "x86-64-v4" : v3 ? "x86-64-v3" : v2 ? "x86-64-v2" : "x86-64";
#else
  return kernel_level();
#endif
}

void use_asked_cpu_level(char** argv) {
  const char* asked = std::getenv("FOVEA_CPU_LEVEL");
  if (asked == nullptr || *asked == '\0') return;
  const int level = level_number(asked), in_use = level_number(kernel_level()), highest = level_number(cpu_level());
  if (level < 0) throw refused(asked, "must be x86-64-v2, x86-64-v3 or x86-64-v4");
  if (level > highest) throw refused(asked, "this CPU has " + std::string(cpu_level()));
  const std::string tunable = kLevels[level].tunable;
  const char* set = std::getenv("GLIBC_TUNABLES");
  const std::string tunables = set == nullptr ? "" : set;
  const bool restarted = !tunable.empty() && tunables.find(tunable) != std::string::npos;
  if (level < highest) limit_onednn(kLevels[level]);
  if (level == in_use) return;
  if (level > in_use || restarted)
    throw refused(asked, "this build has the kernels for " + std::string(kernel_level()) +
                             "; configure it with -DFOVEA_MARCH=levels for all");
  setenv("GLIBC_TUNABLES", (tunables.empty() ? tunable : tunables + ":" + tunable).c_str(), 1);
  execv("/proc/self/exe", argv);
  throw Error(ErrorKind::Runtime, "cannot start again for FOVEA_CPU_LEVEL: " + std::string(std::strerror(errno)));
}

}  // namespace fovea
