// What this machine, this process and this build are, as the system says.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/cuda_device.h"

namespace fovea {

struct MachineFacts {
  // ---- the CPU
  std::string cpu, instruction_set, convolution_library;
  std::string cpu_level, kernel_level;  // kernels/device/cpu_level.h
  bool fast_bf16 = false;
  int cores = 1;                         // of the machine
  int usable_cores = 1;                  // that this process may run on
  double quota = 0;                      // cores' worth of time that its control group gets; 0: all that there is
  int threads = 1;                       // of a parallel loop
  uint64_t memory = 0, free_memory = 0;  // bytes
  // ---- the system
  std::string system;  // IDs of its distribution, from the special to the general: "ubuntu debian"
  bool root = false, in_container = false, in_windows = false;
  bool in_python_environment = false;  // where pip installs without asking
  bool in_wheel = false;               // the program is one that pip installed
  bool has_nvcc = false;
  std::string cache_folder;  // empty: there is none
  bool cache_writable = false;
  bool terminal = false, utf8 = false;  // of stdout
  // ---- the GPU
  std::vector<std::string> gpus;  // NVIDIA's that the system sees, with a driver or without
  std::string driver;             // version of the kernel's module; empty: none is loaded
  bool cuda_build = false, mpi_build = false;
  GpuStatus gpu_status;               // of a build with CUDA
  std::vector<GpuLibrary> libraries;  // likewise; NCCL too
  std::string gpu_check;              // what came of the GPU's check; empty: it was not run yet
  bool gpu_check_failed = false;
  // ---- the environment; empty: not set
  std::string omp_num_threads, omp_wait_policy, max_cpu_isa, asked_cpu_level;
  bool glibc_limits_level = false;  // by GLIBC_TUNABLES
  bool gpus_hidden = false;         // CUDA_VISIBLE_DEVICES names none
};

// `root` stands for / where the system's files are read.
MachineFacts machine_facts(const std::filesystem::path& root = "/");

}  // namespace fovea
