#include "kernels/device/device_rates.h"

#include <algorithm>
#include <iterator>

namespace fovea::kernels {
namespace {

// What large kernels reach of the peaks: 4.3 of 4.8 TB/s and 700 of 989 TFLOP/s on the H200; kernels of Ampere's kind
// (mma.sync) 450 there, and as much a multiprocessor on later architectures.
constexpr double kMemoryShare = kH200Bytes / 4.8e12, kMatrixShare = 700.0 / 989, kFp32Share = 0.8;
constexpr double kOlderOnHopper = 450;

// Peaks from NVIDIA's data sheets: dense bf16 with sums in fp32 (T4: fp16), fp32 without tensor cores, TFLOP/s; TB/s.
struct Peaks {
  const char* name;  // how cudaDeviceProp::name begins
  int sm;
  double terabytes, matrix, fp32, older;  // older: attained; 0: there are none
};
constexpr Peaks kPeaks[] = {
    {"NVIDIA H200", 90, 4.8, 989, 67, kOlderOnHopper},              // H200 Tensor Core GPU, SXM
    {"NVIDIA H100", 90, 3.35, 989, 67, kOlderOnHopper},             // H100 Tensor Core GPU, SXM
    {"NVIDIA A100", 80, 2.039, 312, 19.5, 0},                       // A100 Tensor Core GPU, 80 GB SXM
    {"NVIDIA L4", 89, 0.3, 121, 30.3, 0},                           // L4 Tensor Core GPU
    {"NVIDIA GeForce RTX 4090", 89, 1.008, 165.2, 82.6, 0},         // Ada architecture, white paper
    {"NVIDIA B200", 100, 8, 2250, 75, kOlderOnHopper * 148 / 132},  // HGX B200
    {"Tesla T4", 75, 0.32, 65, 8.1, 0},                             // T4 Tensor Core GPU
};

const Peaks& peaks_of(const std::string& name, int sm) {
  const Peaks* const end = std::end(kPeaks);
  const auto find = [&](const auto& is) { return std::find_if(std::begin(kPeaks), end, is); };
  const auto named = [&](const Peaks& p) {
    const std::string begin = p.name;
    return name.rfind(begin, 0) == 0 && (name.size() == begin.size() || name[begin.size()] < '0');  // no L40 for an L4
  };
  if (const Peaks* found = find(named); found != end) return *found;
  if (const Peaks* found = find([&](const Peaks& p) { return p.sm == sm; }); found != end) return *found;
  if (const Peaks* found = find([&](const Peaks& p) { return p.sm / 10 == sm / 10; }); found != end) return *found;
  return kPeaks[0];
}

}  // namespace

DeviceRates rates_of(const std::string& name, int sm) {
  const Peaks& p = peaks_of(name, sm);
  const double native = p.matrix * kMatrixShare * 1e12;
  return {.bytes = p.terabytes * kMemoryShare * 1e12,
          .native = native,
          .older = p.older > 0 ? p.older * 1e12 : native,
          .fp32 = p.fp32 * kFp32Share * 1e12,
          .has_older_kernels = p.older > 0};
}

}  // namespace fovea::kernels
