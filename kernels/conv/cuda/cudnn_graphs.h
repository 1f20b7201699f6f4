// cuDNN's graphs: one convolution with what is fused around it, and the engines that cuDNN offers for it. The frontend
// library's headers are included by cudnn_graphs.cpp alone.
//
// On Hopper the form of a graph decides whether it runs on the tensor cores at full rate (cuDNN 9.19, found by
// planning): bias in bf16, the addend before the bias, everything between the operations in fp32, ReLU only behind a
// bias. All forward graphs are written that way. A data gradient with something fused to it has kernels of Ampere's
// kind only.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/conv/conv.h"

namespace fovea::cudnn {

using kernels::ConvPass;
using kernels::ConvShape;

// Forward:         y = relu(conv(x, w) + add + bias)
// BackwardData:    dx = conv'(dy, w) + add, 0 where mask <= 0;  `relu`: with the mask
// BackwardWeight:  dw = conv'(x, dy), in the dtype of the tensors
struct GraphKey {
  ConvPass pass = ConvPass::Forward;
  ConvShape shape;
  DType dtype = DType::BF16;
  bool add = false, bias = false, relu = false;
  bool tf32 = false;  // fp32: engines that multiply as TF32 are taken too
  auto operator<=>(const GraphKey&) const = default;
};
std::string text_of(const GraphKey& key);      // unique, one line
std::string fusion_text(const GraphKey& key);  // "conv + add + bias + ReLU"

// The tensors of a graph: NHWC, weights OHWI, all of the key's dtype.
struct Operands {
  const void* image = nullptr;    // forward, weight gradient: x;  data gradient: dy
  const void* weights = nullptr;  // weight gradient: dy
  const void* add = nullptr;      // like out
  const void* bias = nullptr;     // [out_c]
  const void* mask = nullptr;     // like out
  void* out = nullptr;
};

// What plans are made for: a device of this machine, or one that only its description is known of.
class Device {
 public:
  // `handle`: a cudnnHandle_t; `sm`: 90 for compute capability 9.0.
  static Device at_hand(void* handle, const std::string& name, int sm);
  static Device described(const std::string& description);  // JSON, as cuDNN writes it
  static Device h200();                                     // described (kernels/conv/cuda/described_device.h)

  const std::string& name() const { return name_; }
  int sm() const { return sm_; }
  bool is_described() const { return handle_ == nullptr; }
  struct Properties;

 private:
  friend class ConvGraph;
  void* handle_ = nullptr;
  std::string name_;
  int sm_ = 0;
  std::shared_ptr<const Properties> properties_;
};

// Hopper: precompiled, with clusters of blocks: for Hopper's tensor cores (wgmma), or on later devices for theirs.
// Earlier: precompiled for the architectures before Hopper. Compiled: by NVRTC when the plan is built, needs a driver.
enum class KernelKind : uint8_t { Hopper, Earlier, Compiled };
const char* name_of(KernelKind kind, int sm);

struct PlanInfo {
  std::string engine;  // its number and knobs
  KernelKind kind = KernelKind::Earlier;
  int candidates = 0;  // that cuDNN offers for the graph
  int hopper = 0;      // of them, with Hopper's kernels
  size_t workspace = 0;
};

class ConvGraph {
 public:
  // Asks cuDNN's heuristics. Only engines with the same bits on every run are taken, and for fp32 only those that do
  // not transform (Winograd, FFT), nor round to fewer bits (TF32) unless the key allows it.
  ConvGraph(const Device& device, const GraphKey& key);
  ~ConvGraph();
  ConvGraph(ConvGraph&&) noexcept;
  ConvGraph& operator=(ConvGraph&&) noexcept;

  int candidates() const;          // best first; 0: cuDNN has no engine, why() says so
  const std::string& why() const;  // one line; empty if there is one
  // Whether candidate i can run; it is the one that execute() runs from then on. Compiles where it has to.
  bool build(int candidate);
  void drop(int candidate);            // frees what build() made; another is built before execute()
  PlanInfo look(int candidate) const;  // without building; the workspace is not known
  const PlanInfo& info() const;        // of the candidate built last

  // On the stream of the handle (a cudnnHandle_t). Aligned to 16 bytes; workspace of info().workspace bytes.
  void execute(void* handle, const Operands& operands, void* workspace) const;

  const GraphKey& key() const;
  // The plan built last, to be read back by load() for the same key, device and version of cuDNN.
  std::vector<uint8_t> serialize() const;
  static std::optional<ConvGraph> load(const Device& device, const GraphKey& key, const PlanInfo& info,
                                       const std::vector<uint8_t>& plan);

 private:
  struct Impl;
  explicit ConvGraph(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fovea::cudnn
