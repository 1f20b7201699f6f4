#include "tools/device/mend.h"

#include <fmt/format.h>

#include "tools/text/advice.h"

namespace fovea {
namespace {

bool is_like(const MachineFacts& facts, const char* system) { return facts.system.find(system) != std::string::npos; }

std::string as_root(const MachineFacts& facts, const std::string& command) {
  return facts.root ? command : "sudo " + command;
}

// "apt-get install PACKAGE"; empty where the system installs in a way that is not known here.
std::string installs(const MachineFacts& facts, const std::string& package) {
  if (is_like(facts, "debian") || is_like(facts, "ubuntu")) return as_root(facts, "apt-get install " + package);
  if (is_like(facts, "fedora") || is_like(facts, "rhel")) return as_root(facts, "dnf install " + package);
  return "";
}

std::string of_nvidia(const std::string& command) { return command + " (from NVIDIA's repository)"; }

struct LibraryPackages {
  const char *library, *system, *python;  // {0}: the major version of CUDA, {1}: the minor one
  const char* old_python;                 // for CUDA 12 and before
};
constexpr LibraryPackages kLibraries[] = {
    {"cuDNN", "libcudnn9-cuda-{0}", "nvidia-cudnn-cu{0}", "nvidia-cudnn-cu{0}"},
    {"cuBLASLt", "libcublas-{0}-{1}", "nvidia-cublas", "nvidia-cublas-cu{0}"},
    {"NVRTC", "cuda-nvrtc-{0}-{1}", "nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu{0}"},
    {"NCCL", "libnccl2", "nvidia-nccl-cu{0}", "nvidia-nccl-cu{0}"},
};

}  // namespace

std::string install_package(const MachineFacts& facts, const std::string& package) {
  const std::string command = installs(facts, package);
  return command.empty() ? fmt::format("install your system's counterpart of Debian's {}", package) : command;
}

std::string install_library(const MachineFacts& facts, const std::string& library) {
  const int major = facts.gpu_status.runtime / 1000, minor = facts.gpu_status.runtime % 1000 / 10;
  for (const LibraryPackages& of : kLibraries) {
    if (library != of.library) continue;
    const std::string pip =
        "pip install " + fmt::format(fmt::runtime(major >= 13 ? of.python : of.old_python), major, minor);
    const std::string command = installs(facts, fmt::format(fmt::runtime(of.system), major, minor));
    if (facts.in_wheel && major >= 13) return fmt::format("pip install \"fovea-detector[cuda{}]\"", major);
    if (facts.in_python_environment) return pip;
    return command.empty() ? pip + " (in a virtual environment)"
                           : of_nvidia(command) + ", or in a virtual environment: " + pip;
  }
  return "";
}

std::string install_driver(const MachineFacts& facts) {
  if (facts.in_windows) return "install NVIDIA's driver in Windows";
  if (facts.in_container) return "start the container with NVIDIA's container toolkit and with its GPUs";
  if (is_like(facts, "ubuntu")) return as_root(facts, "ubuntu-drivers install");
  const std::string command = installs(facts, "nvidia-open");
  return command.empty() ? "install NVIDIA's driver as your distribution does" : of_nvidia(command);
}

std::string build_with_cuda(const MachineFacts& facts) {
  if (facts.has_nvcc) return advise(advice::kBuildWithCuda);
  const std::string command = installs(facts, "cuda-toolkit-13");
  return (command.empty() ? "install CUDA 13's toolkit" : of_nvidia(command)) + ", put its nvcc on PATH, and " +
         advise(advice::kBuildWithCuda);
}

}  // namespace fovea
