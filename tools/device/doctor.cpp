#include "tools/device/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "engine/printable.h"
#include "tools/device/mend.h"
#include "tools/text/advice.h"

namespace fovea {
namespace {

std::string gib(uint64_t bytes) { return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1u << 30)); }

// In Windows and in some containers the driver alone knows it.
bool has_gpu(const MachineFacts& facts) { return !facts.gpus.empty() || !facts.gpu_status.devices.empty(); }

// ---- the CPU

Finding cpu_finding(const MachineFacts& facts) {
  std::string text = fmt::format("{}, {} cores", printable(facts.cpu), facts.cores);
  if (facts.usable_cores < facts.cores) text += fmt::format(", of which this process may use {}", facts.usable_cores);
  if (facts.quota > 0) text += fmt::format("; its control group gets the time of {:.3g}", facts.quota);
  return {.what = "CPU", .text = text};
}

Finding kernel_finding(const MachineFacts& facts) {
  if (facts.kernel_level == facts.cpu_level)
    return {.what = "kernels", .text = fmt::format("for {}, the CPU's level", facts.kernel_level)};
  const std::string by = !facts.asked_cpu_level.empty() ? "FOVEA_CPU_LEVEL"
                         : facts.glibc_limits_level     ? "GLIBC_TUNABLES"
                                                        : "";
  return {.what = "kernels",
          .mark = Mark::Slow,
          .text = fmt::format("for {}{}; this CPU has {}", facts.kernel_level, by.empty() ? "" : " by " + by,
                              facts.cpu_level),
          .mend = by.empty() ? "configure with -DFOVEA_MARCH=native, and build again" : "unset " + by};
}

// Whether ONEDNN_MAX_CPU_ISA, which takes some words more, keeps from the CPU what it has.
bool is_limited(const MachineFacts& facts) {
  const std::string& asked = facts.max_cpu_isa;
  if (asked == "SSE41" || asked == "AVX") return facts.cpu_level > "x86-64-v2";
  if (asked.starts_with("AVX2")) return facts.cpu_level > "x86-64-v3";
  return asked == "AVX512_CORE" || asked == "AVX512_CORE_VNNI";
}

Finding instruction_finding(const MachineFacts& facts) {
  Finding finding{.what = "instruction set", .text = facts.instruction_set + " for convolution"};
  if (!facts.asked_cpu_level.empty()) {
    finding.text += " by FOVEA_CPU_LEVEL";  // which sets ONEDNN_MAX_CPU_ISA, and has a finding of its own
  } else if (is_limited(facts)) {
    finding.mark = Mark::Slow;
    finding.text += fmt::format(", limited by ONEDNN_MAX_CPU_ISA={}", printable(facts.max_cpu_isa));
    finding.mend = "unset ONEDNN_MAX_CPU_ISA";
  } else if (facts.instruction_set.starts_with("SSE") || facts.instruction_set == "unknown") {
    finding.mark = Mark::Slow;
    finding.text += "; kernels are made for AVX2 and newer";
    finding.mend = "use a CPU with AVX2";
  }
  return finding;
}

Finding bf16_finding(const MachineFacts& facts) {
  if (facts.fast_bf16) return {.what = "bf16", .text = "fast, and what precision auto uses"};
  return {.what = "bf16", .mark = Mark::NotNeeded, .text = "not fast on this CPU: precision auto uses fp32"};
}

Finding thread_finding(const MachineFacts& facts) {
  const int most =
      facts.quota > 0 ? std::min(facts.usable_cores, static_cast<int>(std::ceil(facts.quota))) : facts.usable_cores;
  Finding finding{.what = "threads", .text = fmt::format("{} for {} cores", facts.threads, most)};
  const std::string wish =
      facts.omp_num_threads.empty() ? "" : fmt::format(" (OMP_NUM_THREADS={})", printable(facts.omp_num_threads));
  if (facts.threads != most) {
    finding.mark = Mark::Slow;
    finding.text += wish + (facts.threads > most ? ": they take turns and wait for each other" : ": some are idle");
    finding.mend = most < facts.usable_cores || wish.empty() ? fmt::format("export OMP_NUM_THREADS={}", most)
                                                             : "unset OMP_NUM_THREADS";
  } else if (facts.omp_wait_policy == "active" || facts.omp_wait_policy == "ACTIVE") {
    finding.mark = Mark::Slow;
    finding.text += "; OMP_WAIT_POLICY=active: those that wait keep the cores from decoding images";
    finding.mend = "unset OMP_WAIT_POLICY";
  }
  return finding;
}

Finding mpi_finding(const MachineFacts& facts) {
  if (facts.mpi_build) return {.what = "MPI", .text = "in this build"};
  return {.what = "MPI",
          .mark = Mark::NotNeeded,
          .text = "not in this build: ranks meet over TCP, and mpirun cannot start them",
          .mend = install_package(facts, "libopenmpi-dev") + ", and build from source"};
}

// ---- files and output

Finding cache_finding(const MachineFacts& facts) {
  const bool none = facts.cache_folder.empty(), used = facts.cuda_build && has_gpu(facts);
  if (facts.cache_writable) return {.what = "cache", .text = printable(facts.cache_folder) + " can be written"};
  return {.what = "cache",
          .mark = used ? Mark::Slow : Mark::NotNeeded,
          .text = (none ? "no folder: neither XDG_CACHE_HOME nor HOME is set"
                        : printable(facts.cache_folder) + " cannot be written") +
                  "; a GPU is checked and planned for anew by every process",
          .mend = used ? "set XDG_CACHE_HOME to a folder that you may write to" : ""};
}

Finding output_finding(const MachineFacts& facts) {
  return {.what = "output",
          .text = fmt::format("{}, {}", facts.terminal ? "a terminal" : "no terminal: progress is printed in lines",
                              facts.utf8 ? "UTF-8" : "not in UTF-8 by LC_ALL, LC_CTYPE or LANG")};
}

// ---- the GPU

class GpuFindings {
 public:
  explicit GpuFindings(const MachineFacts& facts)
      : facts_(facts), there_(has_gpu(facts)), wanted_(there_ && facts.cuda_build && !facts.gpus_hidden) {}

  std::vector<Finding> find() {
    add_gpu();
    if (there_) add_driver();
    for (const GpuLibrary& library : facts_.libraries) add(library);
    if (wanted_ && facts_.gpu_status.usable()) add_check();
    return std::move(findings_);
  }

 private:
  std::string names() const {
    std::string text;
    for (const GpuDescription& gpu : facts_.gpu_status.devices)
      text += fmt::format("{}{}, {}, compute capability {}.{}", text.empty() ? "" : "; ", gpu.name, gib(gpu.memory),
                          gpu.major, gpu.minor);
    if (!text.empty()) return text;
    for (const std::string& gpu : facts_.gpus) text += (text.empty() ? "" : "; ") + printable(gpu);
    return text;
  }

  void add_gpu() {
    Finding finding{.what = "GPU", .text = names()};
    const bool has_cudnn = std::any_of(facts_.libraries.begin(), facts_.libraries.end(),
                                       [](const GpuLibrary& of) { return of.name == "cuDNN" && !of.path.empty(); });
    if (!there_) {
      finding.mark = Mark::NotNeeded;
      finding.text = "no NVIDIA GPU here: the CPU does the work";
    } else if (!facts_.cuda_build) {
      finding.mark = Mark::Missing;
      finding.text += "; this build has no CUDA and uses the CPU";
      finding.mend = build_with_cuda(facts_);
    } else if (facts_.gpus_hidden) {
      finding.mark = Mark::NotNeeded;
      finding.text += "; hidden by CUDA_VISIBLE_DEVICES";
    } else if (!facts_.gpu_status.usable()) {
      finding.mark = Mark::Broken;
      finding.text += ": " + facts_.gpu_status.problem;
    } else if (!has_cudnn) {
      finding.mark = Mark::Broken;
      finding.text += "; it cannot be used without cuDNN";
    }
    findings_.push_back(finding);
  }

  // The program talks to the driver through a library of it, which only a build with CUDA looks for.
  void add_driver() {
    const auto& status = facts_.gpu_status;
    const bool too_old = status.driver > 0 && status.driver / 1000 < status.runtime / 1000;
    Finding finding{.what = "driver", .text = facts_.driver.empty() ? "there" : printable(facts_.driver)};
    if (status.driver > 0)
      finding.text += fmt::format(", for CUDA {}.{}", status.driver / 1000, status.driver % 1000 / 10);
    if (facts_.driver.empty() && status.driver == 0) {
      finding = {.what = "driver", .mark = Mark::Missing, .text = "NVIDIA's driver is not loaded"};
    } else if (facts_.cuda_build && status.driver == 0) {
      finding.mark = Mark::Broken;
      finding.text += ", but its libcuda.so.1 was not found";
    } else if (too_old) {
      finding.mark = Mark::Broken;
      finding.text += fmt::format("; this build needs CUDA {}.{}", status.runtime / 1000, status.runtime % 1000 / 10);
    }
    if (finding.mark != Mark::Ok) finding.mend = install_driver(facts_);
    findings_.push_back(finding);
  }

  std::string mend_of(const GpuLibrary& library) const {
    std::string variable = "FOVEA_" + library.name;
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (library.problem.find(variable + " names") != std::string::npos) return "unset " + variable;
    if (library.problem.starts_with("not looked for")) return "mend cuDNN first";
    return install_library(facts_, library.name);
  }

  void add(const GpuLibrary& library) {
    Finding finding{.what = library.name, .text = library.version + ", " + printable(library.path)};
    const bool needed = wanted_ && (library.name != "NCCL" || facts_.gpu_status.devices.size() > 1);
    if (library.path.empty()) {
      finding.text = printable(library.problem);
      if (!library.without.empty()) finding.text += "; without it " + library.without;
      finding.mark = needed ? Mark::Missing : Mark::NotNeeded;
      if (needed) finding.mend = mend_of(library);
    }
    findings_.push_back(finding);
  }

  void add_check() {
    Finding finding{.what = "GPU check", .text = facts_.gpu_check};
    if (facts_.gpu_check_failed) {
      finding.mark = Mark::Broken;
      finding.mend = advise(advice::kCheckGpu);
    } else if (facts_.gpu_check.empty()) {
      finding.text = "not run yet: device auto runs it before it first uses the GPU";
    }
    findings_.push_back(finding);
  }

  const MachineFacts& facts_;
  bool there_, wanted_;
  std::vector<Finding> findings_;
};

}  // namespace

const char* name_of(Mark mark) {
  switch (mark) {
    case Mark::Ok:
      return "ok";
    case Mark::NotNeeded:
      return "not needed";
    case Mark::Slow:
      return "slow";
    case Mark::Missing:
      return "missing";
    case Mark::Broken:
      break;
  }
  return "broken";
}

std::vector<Finding> findings_of(const MachineFacts& facts) {
  std::vector<Finding> findings{
      cpu_finding(facts),
      kernel_finding(facts),
      instruction_finding(facts),
      bf16_finding(facts),
      thread_finding(facts),
      {.what = "memory", .text = fmt::format("{}, of which {} are free", gib(facts.memory), gib(facts.free_memory))},
      {.what = "convolution library", .text = facts.convolution_library},
      mpi_finding(facts),
      cache_finding(facts),
      output_finding(facts)};
  for (Finding& finding : GpuFindings(facts).find()) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace fovea
