// Whether a GPU may be used where nobody asks for it: it must have passed its smoke (smoke.h) once, in a process of its
// own, which may crash or hang. What came of it is remembered in the user's cache for this GPU, driver, libraries and
// build, in a file that is also the report.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "kernels/device/cuda_device.h"

namespace fovea {

struct GpuVerdict {
  bool passed = false;
  std::string what;     // failed: what, in one line
  std::string when;     // "2026-11-28 21:40 UTC"
  std::string file;     // the report; empty: it is not kept
  std::string unkept;   // then: why, in one line
  std::string output;   // lines of the checks; empty where it is remembered
  double seconds = 0;   // likewise
  bool lasting = true;  // false: of this moment (no memory was left), and not remembered
};

struct GpuCheckOptions {
  std::string name;                  // of the GPU, for people
  std::string key, folder;           // of what, and where it is remembered (empty: nowhere)
  std::vector<std::string> command;  // the program that runs the smoke
  std::chrono::milliseconds limit;   // after which it hangs
  bool shared_process = false;       // others in this process may be using the GPU: it is not taken from them
};
// For the GPU in use. The key is what a verdict is good for: GPU, driver, the libraries that were found, the program's
// build (this one's where the command is empty).
// The folder is the user's cache.
GpuCheckOptions gpu_check_options(const GpuStatus& status, std::vector<std::string> command);

// Of the same key; none where it was not checked, or the file is damaged.
std::optional<GpuVerdict> remembered_verdict(const GpuCheckOptions& options);
// Runs the smoke and writes the file, whatever was remembered. This process must not have used the GPU before, unless
// it is a shared one.
GpuVerdict check_gpu(const GpuCheckOptions& options);
// The verdict as remembered, or else found now, by one process at a time; said in a line on stderr, unless it was
// passed before.
GpuVerdict trusted_verdict(const GpuCheckOptions& options);

// "passed in 6.1 s", or "failed: WHAT; report: FILE".
std::string text_of(const GpuVerdict& verdict);

}  // namespace fovea
