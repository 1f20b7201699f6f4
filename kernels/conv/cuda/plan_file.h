// The file that keeps cuDNN's plans for the next process: text and bytes, nothing of cuDNN itself.
//
//   fovea plans 1\n  <what the plans are for>\n
//   then for each plan: a line "key \t engine \t kind \t candidates \t of them Hopper's \t workspace \t seconds \t
//   bytes \t checksum", its bytes, "\n"
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/conv/cuda/cudnn_graphs.h"

namespace fovea::conv::cuda {

struct StoredPlan {
  cudnn::PlanInfo info;
  double seconds = 0;  // as timed; 0: picked by heuristics
  std::vector<uint8_t> bytes;
};
using StoredPlans = std::map<std::string, StoredPlan>;  // by text_of(key)

std::string pack_plans(const std::string& purpose, const StoredPlans& plans);
// Throws Error(Data) that says what is damaged, or that the plans are for something else.
StoredPlans unpack_plans(const std::string& purpose, const std::string& content);

// Replaces the file whole: written aside, then renamed. Throws Error(Runtime).
void write_plan_file(const std::string& path, const std::string& content);
// Empty where there is no such file. Throws Error(Data) where it cannot be read.
std::string read_plan_file(const std::string& path);

// The plans of one purpose in a folder. What goes wrong with the file costs time only: it is said on stderr, once each.
class PlanFile {
 public:
  // Reads `folder`/`stem`-<checksum of the purpose>; no plans where there is no such file or it is damaged. `folder`:
  // empty: nothing is kept on disk.
  PlanFile(const std::string& folder, const std::string& stem, std::string purpose);
  void write() const;
  StoredPlans plans;

 private:
  std::string purpose_, file_;
};

}  // namespace fovea::conv::cuda
