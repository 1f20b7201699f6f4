#include "kernels/conv/cpu/direct.h"

#include <omp.h>

#include <algorithm>
#include <string_view>

#include "kernels/channel_slice.h"
#include "kernels/conv/conv_passes.h"
#include "kernels/conv/cpu/cpu_features.h"
#include "kernels/device/scratch.h"
#include "kernels/device/threads.h"

namespace fovea::kernels {
namespace {

using dnnl::memory;
constexpr size_t kPrimitiveBytes = size_t{64} << 20;  // oneDNN crashes where it lacks memory for one
constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;

// OHWI as oneDNN sees it: dimensions (groups,) out, in, h, w, and the strides that put `in` innermost.
memory::desc weights_desc(const ConvShape& s, memory::data_type type, bool any) {
  const int64_t in = s.in_c / s.groups, out = s.out_c / s.groups;
  const int64_t w = in, h = w * s.kernel_w, o = h * s.kernel_h;
  memory::dims dims{out, in, s.kernel_h, s.kernel_w}, strides{o, 1, h, w};
  if (s.groups > 1) {
    dims.insert(dims.begin(), s.groups);
    strides.insert(strides.begin(), out * o);
  }
  return any ? memory::desc(dims, type, memory::format_tag::any) : memory::desc(dims, type, strides);
}

memory::desc x_desc(const ConvShape& s, memory::data_type type, memory::format_tag layout = memory::format_tag::nhwc) {
  return memory::desc({s.batch, s.in_c, s.in_h, s.in_w}, type, layout);
}
memory::desc y_desc(const ConvShape& s, memory::data_type type, memory::format_tag layout = memory::format_tag::nhwc) {
  return memory::desc({s.batch, s.out_c, s.out_h(), s.out_w()}, type, layout);
}

// The padding below and to the right that the output size implies (negative: pixels that no window reaches).
memory::dims far_padding(const ConvShape& s) {
  return {(s.out_h() - 1) * s.stride + s.kernel_h - s.in_h - s.pad.h,
          (s.out_w() - 1) * s.stride + s.kernel_w - s.in_w - s.pad.w};
}

}  // namespace

// The tensors and the window of a convolution, as oneDNN describes them.
struct DirectConvolution::Descs {
  memory::data_type type;
  memory::desc x, weights, y;
  memory::dims strides, dilates{0, 0}, pad, far;
  Descs(const ConvShape& s, memory::data_type type, memory::format_tag layout = memory::format_tag::nhwc)
      : type(type),
        x(x_desc(s, type, layout)),
        weights(weights_desc(s, type, true)),
        y(y_desc(s, type, layout)),
        strides{s.stride, s.stride},
        pad{s.pad.h, s.pad.w},
        far(far_padding(s)) {}
  auto forward(const dnnl::primitive_attr& attributes, dnnl::prop_kind kind, const memory::desc& bias) const {
    return onednn::describe_forward<dnnl::convolution_forward>(attributes, kind, kAlgorithm, x, weights, bias, y,
                                                               strides, dilates, pad, far);
  }
};

// oneDNN 2.6 reads a tensor other than y that is added at wrong places where groups are small, and on CPUs without
// AVX2. For bf16 on CPUs with AMX it may take jit_1x1 for it, which computes a fourth tile, past y, where an image has
// three; a tile has at most 16 pixels. What adds to y itself (brgconv) does not.
bool DirectConvolution::adds_wrongly(const Key& key) {
  constexpr int64_t kThreeTiles = 3 * 16;
  const ConvShape& s = key.shape;
  const bool few_pixels = int64_t{s.out_h()} * s.out_w() <= kThreeTiles;
  return s.groups > 1 || !cpu_has_avx2() || (key.dtype == DType::BF16 && cpu_has_bf16_matrices() && few_pixels);
}

DirectConvolution::Primitive DirectConvolution::make_forward(Key key, const Descs& descs) {
  if (key.add == Add::Other && adds_wrongly(key)) key.add = Add::InPlace;
  dnnl::post_ops post_ops;
  if (key.add == Add::InPlace) post_ops.append_sum(1.f);
  if (key.add == Add::Other) post_ops.append_binary(dnnl::algorithm::binary_add, descs.y);
  if (key.relu) onednn::append_relu(post_ops);
  Primitive p{.add = key.add};
  if (key.bias) p.bias = memory::desc({key.shape.out_c}, memory::data_type::f32, memory::format_tag::x);
  const auto desc = descs.forward(onednn::attributes(post_ops), dnnl::prop_kind::forward_inference, p.bias);
  // Its matmuls add another tensor wrongly too (2.6).
  if (key.add == Add::Other && std::string_view(desc.impl_info_str()).find("gemm") != std::string_view::npos) {
    key.add = Add::InPlace;
    return make_forward(key, descs);
  }
  p.run = dnnl::convolution_forward(desc);
  p.x = desc.src_desc(), p.weights = desc.weights_desc(), p.y = desc.dst_desc();
  p.scratchpad = desc.scratchpad_desc(), p.implementation = desc.impl_info_str();
  p.pack = onednn::Reorder(weights_desc(key.shape, descs.type, false), p.weights);
  return p;
}

DirectConvolution::Primitive DirectConvolution::make_backward_data(const Key& key, const Descs& descs) {
  const auto hint = descs.forward(onednn::attributes(), dnnl::prop_kind::forward_training, memory::desc());
  // A sum to be added to dx stays fp32: bf16 rounds once.
  const auto dx = x_desc(key.shape, key.accumulate ? memory::data_type::f32 : descs.type);
  const auto desc = onednn::describe_backward<dnnl::convolution_backward_data>(
      hint, kAlgorithm, dx, descs.weights, descs.y, descs.strides, descs.dilates, descs.pad, descs.far);
  Primitive p;
  p.run = dnnl::convolution_backward_data(desc);
  p.x = desc.diff_src_desc(), p.weights = desc.weights_desc(), p.y = desc.diff_dst_desc();
  p.scratchpad = desc.scratchpad_desc(), p.implementation = desc.impl_info_str();
  p.pack = onednn::Reorder(weights_desc(key.shape, descs.type, false), p.weights);
  return p;
}

DirectConvolution::Primitive DirectConvolution::make_backward_weight(const Key& key, const Descs& descs) {
  const ConvShape& s = key.shape;
  const auto hint = descs.forward(onednn::attributes(), dnnl::prop_kind::forward_training, memory::desc());
  const auto desc = onednn::describe_backward<dnnl::convolution_backward_weights>(
      hint, kAlgorithm, descs.x, weights_desc(s, memory::data_type::f32, true), descs.y, descs.strides, descs.dilates,
      descs.pad, descs.far);
  Primitive p;
  p.run = dnnl::convolution_backward_weights(desc);
  p.x = desc.src_desc(), p.weights = desc.diff_weights_desc(), p.y = desc.diff_dst_desc();
  p.scratchpad = desc.scratchpad_desc(), p.implementation = desc.impl_info_str();
  p.reorder_x = onednn::Reorder(x_desc(s, descs.type), p.x);
  p.reorder_y = onednn::Reorder(y_desc(s, descs.type), p.y);
  p.pack = onednn::Reorder(p.weights, weights_desc(s, memory::data_type::f32, false), key.accumulate);
  return p;
}

DirectConvolution::Primitive DirectConvolution::make(const Key& key) {
  const auto type = onednn::type_of(key.dtype);
  const Descs nhwc(key.shape, type);
  if (key.pass == ConvPass::BackwardWeight) {
    // Strided 1×1 weight gradients of fewer than 16 channels come out wrong in oneDNN's NHWC form (2.6).
    const bool few_channels = key.shape.kernel_w == 1 && key.shape.in_c < 16;
    const bool blocked = key.shape.stride > 1 && (few_channels || (key.dtype == DType::F32 && key.shape.kernel_w > 1));
    return make_backward_weight(key, blocked ? Descs(key.shape, type, memory::format_tag::any) : nhwc);
  }
  Primitive p = key.pass == ConvPass::Forward ? make_forward(key, nhwc) : make_backward_data(key, nhwc);
  p.layout = layout_number(p.weights);
  return p;
}

const DirectConvolution::Primitive& DirectConvolution::primitive(Key key) {
  key.threads = omp_get_max_threads();
  const auto found = primitives_.find(key);
  if (found != primitives_.end()) return found->second;
  require_memory(kPrimitiveBytes, "the code of a convolution");
  try {
    return primitives_.emplace(key, make(key)).first->second;
  } catch (const dnnl::error& error) {
    const ConvShape& s = key.shape;
    throw Error(ErrorKind::Runtime, "oneDNN has no " + std::string(name_of(key.dtype)) + " convolution for " +
                                        std::to_string(s.in_c) + "->" + std::to_string(s.out_c) + " channels, kernel " +
                                        std::to_string(s.kernel_h) + "x" + std::to_string(s.kernel_w) + ", image " +
                                        std::to_string(s.in_h) + "x" + std::to_string(s.in_w) + ": " + error.what());
  }
}

int DirectConvolution::layout_number(const memory::desc& packed) {
  for (size_t i = 0; i < layouts_.size(); ++i)
    if (layouts_[i] == packed) return static_cast<int>(i);
  layouts_.push_back(packed);
  return static_cast<int>(layouts_.size()) - 1;
}

size_t DirectConvolution::pack_scratch_bytes(const Primitive& p, const ConvWeights& weights) {
  if (!p.pack.needed) return 0;
  return p.pack.scratchpad.get_size() + PackedWeights::scratch_bytes(weights, p.weights.get_size());
}

// The weights in the primitive's layout. `scratch` has pack_scratch_bytes().
const void* DirectConvolution::pack(const Primitive& p, const ConvWeights& weights, char* scratch) {
  if (!p.pack.needed) return weights.data;
  return packed_.get(weights, p.layout, p.weights.get_size(), scratch + p.pack.scratchpad.get_size(),
                     [&](void* packed) { p.pack(weights.data, packed, scratch); });
}

void DirectConvolution::forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) {
  const Add asked = args.add == nullptr ? Add::None : args.add == args.y ? Add::InPlace : Add::Other;
  const Primitive& p = primitive({ConvPass::Forward, shape, dtype, args.bias != nullptr, asked, args.relu});
  if (p.add != asked) {
    dispatch(dtype, [&]<class T> {
      copy_channels<T>(queue, shape.output_count() / shape.out_c, shape.out_c,
                       {static_cast<const T*>(args.add), shape.out_c}, {static_cast<T*>(args.y), shape.out_c}, false);
    });
  }
  Scratch scratch;
  const auto pad = scratch.add<char>(p.scratchpad.get_size());
  const auto pack_scratch = scratch.add<char>(pack_scratch_bytes(p, args.weights));
  scratch.allocate(queue);
  std::unordered_map<int, memory> run{
      {DNNL_ARG_SRC, onednn::memory(p.x, args.x)},
      {DNNL_ARG_WEIGHTS, onednn::memory(p.weights, pack(p, args.weights, pack_scratch(scratch)))},
      {DNNL_ARG_DST, onednn::memory(p.y, args.y)},
      {DNNL_ARG_SCRATCHPAD, onednn::memory(p.scratchpad, pad(scratch))}};
  if (args.bias) run.emplace(DNNL_ARG_BIAS, onednn::memory(p.bias, args.bias));
  if (p.add == Add::Other)
    run.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, onednn::memory(p.y, args.add));
  p.run.execute(onednn::stream(), run);
}

void DirectConvolution::backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) {
  const Primitive& p =
      primitive({.pass = ConvPass::BackwardData, .shape = shape, .dtype = dtype, .accumulate = args.accumulate});
  const bool apart = args.accumulate;  // oneDNN cannot add to what is there
  Scratch scratch;
  const auto pad = scratch.add<char>(p.scratchpad.get_size());
  const auto pack_scratch = scratch.add<char>(pack_scratch_bytes(p, args.weights));
  const auto sum = scratch.add<char>(apart ? p.x.get_size() : 0);
  scratch.allocate(queue);
  void* dx = apart ? sum(scratch) : args.dx;
  p.run.execute(onednn::stream(),
                {{DNNL_ARG_DIFF_DST, onednn::memory(p.y, args.dy)},
                 {DNNL_ARG_WEIGHTS, onednn::memory(p.weights, pack(p, args.weights, pack_scratch(scratch)))},
                 {DNNL_ARG_DIFF_SRC, onednn::memory(p.x, dx)},
                 {DNNL_ARG_SCRATCHPAD, onednn::memory(p.scratchpad, pad(scratch))}});
  if (!apart && args.relu_mask == nullptr) return;
  dispatch(dtype, [&]<class T> {
    const auto finish = [&](auto* value) {
      finish_gradient(queue, shape.input_count() / shape.in_c, shape.in_c, shape.in_c, value,
                      static_cast<const T*>(args.relu_mask), args.accumulate, static_cast<T*>(args.dx));
    };
    apart ? finish(static_cast<const float*>(dx)) : finish(static_cast<const T*>(dx));
  });
}

void DirectConvolution::backward_weight(Queue& queue, const ConvShape& shape, DType dtype,
                                        const ConvBackwardWeight& args) {
  const Primitive& p =
      primitive({.pass = ConvPass::BackwardWeight, .shape = shape, .dtype = dtype, .accumulate = args.accumulate});
  const onednn::Reorder* const reorders[] = {&p.reorder_x, &p.reorder_y, &p.pack};
  size_t pad_bytes = p.scratchpad.get_size();
  for (const auto* reorder : reorders) pad_bytes = std::max(pad_bytes, reorder->scratchpad.get_size());
  Scratch scratch;
  const auto pad = scratch.add<char>(pad_bytes);
  const auto x = scratch.add<char>(p.reorder_x.needed ? p.x.get_size() : 0);
  const auto dy = scratch.add<char>(p.reorder_y.needed ? p.y.get_size() : 0);
  const auto packed = scratch.add<char>(p.pack.needed ? p.weights.get_size() : 0);
  scratch.allocate(queue);
  if (p.reorder_x.needed) p.reorder_x(args.x, x(scratch), pad(scratch));
  if (p.reorder_y.needed) p.reorder_y(args.dy, dy(scratch), pad(scratch));
  void* dweight = p.pack.needed ? static_cast<void*>(packed(scratch)) : args.dweight;
  // On maps smaller than the kernel oneDNN's bf16 form reads what it did not write: scratch, for taps that meet no
  // input.
  if (shape.in_h < shape.kernel_h || shape.in_w < shape.kernel_w) std::memset(pad(scratch), 0, pad_bytes);
  p.run.execute(onednn::stream(), {{DNNL_ARG_SRC, onednn::memory(p.x, p.reorder_x.needed ? x(scratch) : args.x)},
                                   {DNNL_ARG_DIFF_DST, onednn::memory(p.y, p.reorder_y.needed ? dy(scratch) : args.dy)},
                                   {DNNL_ARG_DIFF_WEIGHTS, onednn::memory(p.weights, dweight)},
                                   {DNNL_ARG_SCRATCHPAD, onednn::memory(p.scratchpad, pad(scratch))}});
  if (p.pack.needed) p.pack(dweight, args.dweight, pad(scratch));
}

std::string DirectConvolution::describe(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) {
  Key key{.pass = pass, .shape = shape, .dtype = dtype};
  if (pass == ConvPass::Forward) {
    key.bias = fusion.bias, key.relu = fusion.relu;
    key.add = fusion.add ? Add::Other : Add::None;
  } else {
    key.accumulate = fusion.add;
  }
  return primitive(key).implementation;
}

}  // namespace fovea::kernels
