#include "tools/device/machine_facts.h"

#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "engine/distributed/communicator.h"
#include "kernels/conv/conv.h"
#include "kernels/device/cpu_level.h"
#include "kernels/device/environment.h"
#include "kernels/device/threads.h"
#include "tools/device/build.h"
#include "tools/device/gpu_trust.h"
#include "tools/device/machine.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::string first_line_of(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// What comes behind `key` in the first line that begins with it, without blanks and quotes around it.
std::string value_in(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const size_t begin = line.find_first_not_of(" \t\"", key.size()), end = line.find_last_not_of(" \t\"");
    return begin == std::string::npos ? "" : line.substr(begin, end + 1 - begin);
  }
  return "";
}

std::string variable(const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

// The files called `name` of the process's control group and of those around it; of both versions of control groups.
std::vector<fs::path> control_files(const fs::path& root, const std::string& controller, const char* name) {
  std::vector<fs::path> files;
  std::ifstream in(root / "proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {  // "0::/user.slice", "4:cpu,cpuacct:/docker/1f"
    const size_t controllers = line.find(':') + 1, path = line.find(':', controllers) + 1;
    if (controllers == 0 || path == 0) continue;
    const std::string which = line.substr(controllers, path - 1 - controllers);
    if (!which.empty() && which.find(controller) == std::string::npos) continue;
    const fs::path mounted = root / "sys/fs/cgroup" / (which.empty() ? "" : controller);
    for (fs::path group = line.substr(path);; group = group.parent_path()) {
      files.push_back(mounted / group.relative_path() / name);
      if (!group.has_relative_path()) break;
    }
  }
  return files;
}

// The least quota of the control groups, in cores; 0: none has one.
double cpu_quota(const fs::path& root) {
  double least = std::numeric_limits<double>::infinity();
  for (const fs::path& file : control_files(root, "cpu", "cpu.max")) {
    std::istringstream line(first_line_of(file));  // "200000 100000" or "max 100000"
    double microseconds = 0, period = 0;
    if (line >> microseconds >> period && period > 0) least = std::min(least, microseconds / period);
  }
  for (const fs::path& file : control_files(root, "cpu", "cpu.cfs_quota_us")) {
    const double microseconds = std::atof(first_line_of(file).c_str()),
                 period = std::atof(first_line_of(file.parent_path() / "cpu.cfs_period_us").c_str());
    if (microseconds > 0 && period > 0) least = std::min(least, microseconds / period);
  }
  return std::isinf(least) ? 0 : least;
}

uint64_t memory_of(const fs::path& root, const char* key) {
  return std::strtoull(value_in(root / "proc/meminfo", key).c_str(), nullptr, 10) << 10;
}

uint64_t memory_limit(const fs::path& root) {
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (const char* name : {"memory.max", "memory.limit_in_bytes"})
    for (const fs::path& file : control_files(root, "memory", name))
      if (const uint64_t bytes = std::strtoull(first_line_of(file).c_str(), nullptr, 10))
        least = std::min(least, bytes);
  return least;
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end; entry.increment(none))
    found.push_back(entry->path());
  std::sort(found.begin(), found.end());
  return found;
}

// By the driver's names, or else by the numbers on the PCI bus.
std::vector<std::string> nvidia_gpus(const fs::path& root) {
  std::vector<std::string> names;
  for (const fs::path& gpu : folders_in(root / "proc/driver/nvidia/gpus"))
    if (std::string model = value_in(gpu / "information", "Model:"); !model.empty()) names.push_back(std::move(model));
  if (!names.empty()) return names;
  for (const fs::path& device : folders_in(root / "sys/bus/pci/devices"))
    if (first_line_of(device / "vendor") == "0x10de" && first_line_of(device / "class").starts_with("0x03"))
      names.push_back(fmt::format("an NVIDIA GPU (PCI device 10de:{})",
                                  first_line_of(device / "device").substr(std::string_view("0x").size())));
  return names;
}

bool on_path(const char* program) {
  std::istringstream folders(variable("PATH"));
  for (std::string folder; std::getline(folders, folder, ':');)
    if (!folder.empty() && access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
  return false;
}

// Whether files can be made there, or in the folder in which it would be made: by making one, since permissions say
// little to root, and nothing of /proc.
bool can_write(fs::path folder) {
  std::error_code none;
  while (!fs::exists(folder, none) && folder.has_relative_path()) folder = folder.parent_path();
  std::string made = folder / ".fovea-XXXXXX";
  return mkdtemp(made.data()) != nullptr && rmdir(made.c_str()) == 0;
}

bool says_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value = variable(name);
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

void ask_cuda(MachineFacts& facts) {
  facts.gpu_status = gpu_status();
  facts.libraries = gpu_libraries();
  facts.cuda_build = !facts.libraries.empty();
  if (!facts.cuda_build) return;
  facts.libraries.push_back(nccl_library());
  if (!facts.gpu_status.usable()) return;
  if (const auto verdict = remembered_verdict(gpu_check_options(facts.gpu_status, {}))) {
    facts.gpu_check = text_of(*verdict) + " (" + verdict->when + ")";
    facts.gpu_check_failed = !verdict->passed;
  }
}

}  // namespace

MachineFacts machine_facts(const fs::path& root) {
  MachineFacts facts{.cpu = cpu_name(),
                     .instruction_set = kernels::cpu_isa_name(),
                     .convolution_library = kernels::convolution_library(),
                     .cpu_level = cpu_level(),
                     .kernel_level = kernel_level(),
                     .fast_bf16 = kernels::cpu_has_fast_bf16(),
                     .cores = static_cast<int>(std::thread::hardware_concurrency()),
                     .usable_cores = usable_cores(),
                     .quota = cpu_quota(root),
                     .threads = omp_get_max_threads()};
  facts.memory = std::min(memory_of(root, "MemTotal:"), memory_limit(root));
  facts.free_memory = std::min(memory_of(root, "MemAvailable:"), facts.memory);
  const fs::path release = root / "etc/os-release";
  facts.system = value_in(release, "ID=") + " " + value_in(release, "ID_LIKE=");
  facts.root = geteuid() == 0;
  facts.in_container = fs::exists(root / ".dockerenv") || fs::exists(root / "run/.containerenv");
  facts.in_windows = first_line_of(root / "proc/version").find("icrosoft") != std::string::npos;
  facts.in_python_environment = environment("VIRTUAL_ENV") != nullptr || environment("CONDA_PREFIX") != nullptr;
  std::error_code none;
  facts.in_wheel = fs::read_symlink("/proc/self/exe", none).native().find("-packages/") != std::string::npos;
  facts.has_nvcc = on_path("nvcc");
  facts.cache_folder = cache_folder();
  facts.cache_writable = !facts.cache_folder.empty() && can_write(fs::absolute(facts.cache_folder));
  facts.terminal = isatty(STDOUT_FILENO) != 0;
  facts.utf8 = says_utf8();
  facts.gpus = nvidia_gpus(root);
  facts.driver = first_line_of(root / "sys/module/nvidia/version");
  facts.mpi_build = built_with_mpi();
  facts.omp_num_threads = variable("OMP_NUM_THREADS");
  facts.omp_wait_policy = variable("OMP_WAIT_POLICY");
  facts.max_cpu_isa = variable("ONEDNN_MAX_CPU_ISA");
  facts.glibc_limits_level = variable("GLIBC_TUNABLES").find("glibc.cpu.hwcaps") != std::string::npos;
  facts.asked_cpu_level = variable("FOVEA_CPU_LEVEL");
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  facts.gpus_hidden = visible != nullptr && (*visible == '\0' || std::string_view(visible) == "-1");
  ask_cuda(facts);
  return facts;
}

}  // namespace fovea
