// Convolution by oneDNN's direct primitives: any shape, fp32 and bf16 (bf16 where the CPU has at least AVX-512).
// Activations stay NHWC (but for the fp32 weight gradient of strided windows, three times as fast on blocked copies);
// weights are packed into the layout that the primitive prefers.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "kernels/conv/conv.h"
#include "kernels/conv/cpu/onednn.h"
#include "kernels/conv/packed_weights.h"

namespace fovea::kernels {

class DirectConvolution {
 public:
  explicit DirectConvolution(PackedWeights& packed) : packed_(packed) {}

  // Run at once: the caller has submitted them. The shape is not empty.
  void forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args);
  void backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args);
  void backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args);

  std::string describe(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion);

 private:
  enum class Add : uint8_t { None, InPlace, Other };
  struct Key {
    ConvPass pass;
    ConvShape shape;
    DType dtype;
    bool bias = false;
    Add add = Add::None;
    bool relu = false;
    bool accumulate = false;
    int threads = 0;
    auto operator<=>(const Key&) const = default;
  };
  struct Primitive {
    Add add = Add::None;  // InPlace for Other: where oneDNN would add wrongly the addend is copied into y first
    dnnl::primitive run;
    dnnl::memory::desc x, weights, bias, y, scratchpad;  // x, weights, y: or their gradients
    onednn::Reorder reorder_x, reorder_y;                // from NHWC
    onednn::Reorder pack;                                // from OHWI; for the weight gradient to OHWI
    int layout = -1;                                     // of the packed weights
    std::string implementation;
  };
  struct Descs;

  static bool adds_wrongly(const Key& key);
  const Primitive& primitive(Key key);
  static Primitive make_forward(Key key, const Descs& descs);
  static Primitive make_backward_data(const Key& key, const Descs& descs);
  static Primitive make_backward_weight(const Key& key, const Descs& descs);
  Primitive make(const Key& key);
  int layout_number(const dnnl::memory::desc& packed);
  const void* pack(const Primitive& primitive, const ConvWeights& weights, char* scratch);
  static size_t pack_scratch_bytes(const Primitive& primitive, const ConvWeights& weights);

  PackedWeights& packed_;
  std::map<Key, Primitive> primitives_;
  std::vector<dnnl::memory::desc> layouts_;  // packed layouts seen, numbered
};

}  // namespace fovea::kernels
