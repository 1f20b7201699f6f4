#include "tools/device/machine.h"

#include <fmt/format.h>

#include <fstream>
#include <thread>

#include "kernels/conv/conv.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/cpu_level.h"
#include "kernels/device/cuda_device.h"
#include "tools/device/build.h"

namespace fovea {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string machine_text() {
  std::string text = build_text();
  text += fmt::format("CPU: {}, {} cores, {}; kernels for {}; instruction set for convolution: {}; fast bf16: {}\n",
                      cpu_name(), std::thread::hardware_concurrency(), cpu_level(), kernel_level(),
                      kernels::cpu_isa_name(), kernels::cpu_has_fast_bf16() ? "yes" : "no");
  for (const GpuLibrary& library : gpu_libraries()) text += text_of(library) + "\n";
  return text + gpu_status().text();
}

}  // namespace fovea
