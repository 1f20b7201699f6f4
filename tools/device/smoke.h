// What a GPU must show before `--device auto` gives it work: within seconds, against the CPU's form of the same
// kernels, within bounds that follow from the roundings of the two.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace fovea {

struct SmokeCheck {
  std::string name;
  // On the GPU in use. Figures for people; throws Error that says what is wrong.
  std::function<std::string()> run;
};

// Convolution in its three directions, in the dtype of activations that suits the GPU; focal loss with its gradient;
// suppression; training steps of a small RetinaNet, as they are and recorded.
std::vector<SmokeCheck> smoke_checks();

// How the lines begin that run_smoke prints.
inline constexpr const char *kBegins = "begins: ", *kPassed = "passed: ", *kFailed = "failed: ";

// Runs them all; on stdout, each line at once: kBegins NAME, then kPassed NAME, FIGURES, SECONDS, or kFailed NAME: WHY.
// Returns whether all have passed. Throws Error(OutOfMemory), which says nothing about the GPU.
bool run_smoke();

}  // namespace fovea
