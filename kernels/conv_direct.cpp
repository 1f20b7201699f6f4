#include "kernels/conv_direct.h"

#include <omp.h>

#include "kernels/conv_passes.h"
#include "kernels/scratch.h"

namespace fovea::kernels {
namespace {

using dnnl::memory;
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

memory::desc image_desc(int64_t batch, int64_t c, int64_t h, int64_t w, memory::data_type type) {
  return memory::desc({batch, c, h, w}, type, memory::format_tag::nhwc);
}

// The padding below and to the right that the output size implies (negative: pixels that no window reaches).
memory::dims far_padding(const ConvShape& s) {
  return {(s.out_h() - 1) * s.stride + s.kernel_h - s.in_h - s.pad,
          (s.out_w() - 1) * s.stride + s.kernel_w - s.in_w - s.pad};
}

}  // namespace

DirectConvolution::Primitive DirectConvolution::make(const Key& key) {
  const ConvShape& s = key.shape;
  const auto type = onednn::type_of(key.dtype), f32 = memory::data_type::f32;
  const bool weight_pass = key.pass == ConvPass::BackwardWeight;
  const auto x = image_desc(s.batch, s.in_c, s.in_h, s.in_w, type);
  const auto y = image_desc(s.batch, s.out_c, s.out_h(), s.out_w(), type);
  const auto any = weights_desc(s, type, true);
  const auto bias = key.bias ? memory::desc({s.out_c}, f32, memory::format_tag::x) : memory::desc();
  const memory::dims strides{s.stride, s.stride}, dilates{0, 0}, pad{s.pad, s.pad}, far = far_padding(s);

  Primitive p;
  p.plain_weights = weights_desc(s, weight_pass ? f32 : type, false);
  const auto take = [&](const auto& desc) {
    p.scratchpad = desc.scratchpad_desc();
    p.implementation = desc.impl_info_str();
  };
  if (key.pass == ConvPass::Forward) {
    dnnl::post_ops post_ops;
    if (key.add == Add::InPlace) post_ops.append_sum(1.f);
    if (key.add == Add::Other) post_ops.append_binary(dnnl::algorithm::binary_add, y);
    if (key.relu) onednn::append_relu(post_ops);
    const auto desc = onednn::describe_forward<dnnl::convolution_forward>(
        onednn::attributes(post_ops), dnnl::prop_kind::forward_inference, kAlgorithm, x, any, bias, y, strides, dilates,
        pad, far);
    p.run = dnnl::convolution_forward(desc);
    p.x = desc.src_desc(), p.weights = desc.weights_desc(), p.bias = bias, p.y = desc.dst_desc();
    take(desc);
  } else {
    const auto hint =
        onednn::describe_forward<dnnl::convolution_forward>(onednn::attributes(), dnnl::prop_kind::forward_training,
                                                            kAlgorithm, x, any, bias, y, strides, dilates, pad, far);
    if (key.pass == ConvPass::BackwardData) {  // a sum to be added to dx stays fp32: bf16 rounds once
      const auto dx = image_desc(s.batch, s.in_c, s.in_h, s.in_w, key.accumulate ? f32 : type);
      const auto desc = onednn::describe_backward<dnnl::convolution_backward_data>(hint, kAlgorithm, dx, any, y,
                                                                                   strides, dilates, pad, far);
      p.run = dnnl::convolution_backward_data(desc);
      p.x = desc.diff_src_desc(), p.weights = desc.weights_desc(), p.y = desc.diff_dst_desc();
      take(desc);
    } else {
      const auto desc = onednn::describe_backward<dnnl::convolution_backward_weights>(
          hint, kAlgorithm, x, weights_desc(s, f32, true), y, strides, dilates, pad, far);
      p.run = dnnl::convolution_backward_weights(desc);
      p.x = desc.src_desc(), p.weights = desc.diff_weights_desc(), p.y = desc.diff_dst_desc();
      take(desc);
    }
  }
  const bool sum_weights = weight_pass && key.accumulate;
  if (p.weights == p.plain_weights && !sum_weights) return p;

  dnnl::post_ops sum;
  if (sum_weights) sum.append_sum(1.f);
  const auto& from = weight_pass ? p.weights : p.plain_weights;
  const auto& to = weight_pass ? p.plain_weights : p.weights;
  const dnnl::reorder::primitive_desc reorder(onednn::engine(), from, onednn::engine(), to, onednn::attributes(sum));
  p.pack = dnnl::reorder(reorder);
  p.pack_scratchpad = reorder.scratchpad_desc();
  p.form = form_of(p.weights);
  return p;
}

const DirectConvolution::Primitive& DirectConvolution::primitive(Key key) {
  key.threads = omp_get_max_threads();
  const auto found = primitives_.find(key);
  if (found != primitives_.end()) return found->second;
  try {
    return primitives_.emplace(key, make(key)).first->second;
  } catch (const dnnl::error& error) {
    const ConvShape& s = key.shape;
    throw Error(ErrorKind::Runtime, "oneDNN offers no " + std::string(name_of(key.dtype)) + " convolution " +
                                        std::to_string(s.in_c) + "->" + std::to_string(s.out_c) + " channels, kernel " +
                                        std::to_string(s.kernel_h) + "x" + std::to_string(s.kernel_w) + ", image " +
                                        std::to_string(s.in_h) + "x" + std::to_string(s.in_w) + ": " + error.what());
  }
}

int DirectConvolution::form_of(const memory::desc& packed) {
  for (size_t i = 0; i < forms_.size(); ++i)
    if (forms_[i] == packed) return static_cast<int>(i);
  forms_.push_back(packed);
  return static_cast<int>(forms_.size()) - 1;
}

size_t DirectConvolution::pack_scratch_bytes(const Primitive& p, const ConvWeights& weights) {
  return p.form < 0 ? 0 : PackedWeights::scratch_bytes(weights, p.weights.get_size()) + p.pack_scratchpad.get_size();
}

// The weights in the primitive's layout. `scratch` has pack_scratch_bytes().
const void* DirectConvolution::pack(const Primitive& p, const ConvWeights& weights, char* scratch) {
  if (p.form < 0) return weights.data;
  char* packed_scratch = scratch + p.pack_scratchpad.get_size();
  return packed_.get(weights, p.form, p.weights.get_size(), packed_scratch, [&](void* packed) {
    p.pack.execute(onednn::stream(), {{DNNL_ARG_FROM, onednn::memory(p.plain_weights, weights.data)},
                                      {DNNL_ARG_TO, onednn::memory(p.weights, packed)},
                                      {DNNL_ARG_SCRATCHPAD, onednn::memory(p.pack_scratchpad, scratch)}});
  });
}

void DirectConvolution::forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) {
  const Add add = args.add == nullptr ? Add::None : args.add == args.y ? Add::InPlace : Add::Other;
  const Primitive& p = primitive({ConvPass::Forward, shape, dtype, args.bias != nullptr, add, args.relu});
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
  if (add == Add::Other) run.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, onednn::memory(p.y, args.add));
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
  dispatch(dtype, [&]<class T> {
    const auto finish = [&](auto* value) {
      finish_gradient(value, static_cast<const T*>(args.relu_mask), args.accumulate, static_cast<T*>(args.dx),
                      shape.input_count());
    };
    apart ? finish(static_cast<const float*>(dx)) : finish(static_cast<const T*>(dx));
  });
}

void DirectConvolution::backward_weight(Queue& queue, const ConvShape& shape, DType dtype,
                                        const ConvBackwardWeight& args) {
  const Primitive& p =
      primitive({.pass = ConvPass::BackwardWeight, .shape = shape, .dtype = dtype, .accumulate = args.accumulate});
  const bool apart = p.form >= 0;
  const int64_t rows = int64_t{shape.batch} * shape.out_h() * shape.out_w();
  Scratch scratch;
  const auto pad = scratch.add<char>(std::max(p.scratchpad.get_size(), apart ? p.pack_scratchpad.get_size() : 0));
  const auto packed = scratch.add<char>(apart ? p.weights.get_size() : 0);
  const auto partial = scratch.add<float>(args.dbias ? bias_partial_count(rows, shape.out_c) : 0);
  scratch.allocate(queue);
  void* dweight = apart ? static_cast<void*>(packed(scratch)) : args.dweight;
  p.run.execute(onednn::stream(), {{DNNL_ARG_SRC, onednn::memory(p.x, args.x)},
                                   {DNNL_ARG_DIFF_DST, onednn::memory(p.y, args.dy)},
                                   {DNNL_ARG_DIFF_WEIGHTS, onednn::memory(p.weights, dweight)},
                                   {DNNL_ARG_SCRATCHPAD, onednn::memory(p.scratchpad, pad(scratch))}});
  if (apart)
    p.pack.execute(onednn::stream(), {{DNNL_ARG_FROM, onednn::memory(p.weights, dweight)},
                                      {DNNL_ARG_TO, onednn::memory(p.plain_weights, args.dweight)},
                                      {DNNL_ARG_SCRATCHPAD, onednn::memory(p.pack_scratchpad, pad(scratch))}});
  if (args.dbias == nullptr) return;
  dispatch(dtype, [&]<class T> {
    bias_gradient(static_cast<const T*>(args.dy), rows, shape.out_c, args.accumulate, partial(scratch), args.dbias);
  });
}

std::string DirectConvolution::describe(const ConvShape& shape, DType dtype, ConvPass pass) {
  return primitive({.pass = pass, .shape = shape, .dtype = dtype}).implementation;
}

}  // namespace fovea::kernels
