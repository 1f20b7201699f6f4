// oneDNN 2.x and 3.x under one face: 3.x dropped the operation descriptors and eltwise's scale.
#pragma once
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/launch/dtype.h"

namespace fovea::kernels::onednn {

inline const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

inline dnnl::stream& stream() {
  static thread_local dnnl::stream cpu(engine());
  return cpu;
}

inline dnnl::memory::data_type type_of(DType dtype) {
  return dtype == DType::F32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

// Attributes of every primitive here: scratch memory is the caller's, so that it is shared and counted.
inline dnnl::primitive_attr attributes(const dnnl::post_ops& post_ops = {}) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_post_ops(post_ops);
  return attributes;
}

template <class Op, class... Args>
typename Op::primitive_desc describe_forward(const dnnl::primitive_attr& attributes, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Op::primitive_desc(engine(), args..., attributes);
#else
  return typename Op::primitive_desc(typename Op::desc(args...), attributes, engine());
#endif
}

template <class Op, class Hint, class... Args>
typename Op::primitive_desc describe_backward(const Hint& hint, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Op::primitive_desc(engine(), args..., hint, attributes());
#else
  return typename Op::primitive_desc(typename Op::desc(args...), attributes(), engine(), hint);
#endif
}

inline void append_relu(dnnl::post_ops& post_ops) {
#if DNNL_VERSION_MAJOR >= 3
  post_ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.f, 0.f);
#else
  post_ops.append_eltwise(1.f, dnnl::algorithm::eltwise_relu, 0.f, 0.f);
#endif
}

inline dnnl::memory memory(const dnnl::memory::desc& desc, const void* data) {
  return dnnl::memory(desc, engine(), const_cast<void*>(data));
}

// A copy from one layout into another; none where they are the same.
struct Reorder {
  dnnl::reorder run;
  dnnl::memory::desc from, to, scratchpad;
  bool needed = false;

  Reorder() = default;
  Reorder(const dnnl::memory::desc& source, const dnnl::memory::desc& target, bool accumulate = false)
      : from(source), to(target), needed(accumulate || source != target) {
    if (!needed) return;
    dnnl::post_ops sum;
    if (accumulate) sum.append_sum(1.f);
    const dnnl::reorder::primitive_desc desc(engine(), from, engine(), to, attributes(sum));
    run = dnnl::reorder(desc);
    scratchpad = desc.scratchpad_desc();
  }
  void operator()(const void* source, void* target, void* scratch) const {
    run.execute(stream(), {{DNNL_ARG_FROM, memory(from, source)},
                           {DNNL_ARG_TO, memory(to, target)},
                           {DNNL_ARG_SCRATCHPAD, memory(scratchpad, scratch)}});
  }
};

}  // namespace fovea::kernels::onednn
