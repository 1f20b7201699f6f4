// The CPU's convolution: empty shapes, bf16 on CPUs without it, and the choice of the algorithm.
#include "kernels/conv.h"
#include "kernels/conv_direct.h"
#include "kernels/conv_passes.h"
#include "kernels/conv_weights.h"
#include "kernels/conv_winograd.h"
#include "kernels/cuda_host_work.h"
#include "kernels/onednn.h"

namespace fovea::kernels {
namespace {

bool at_least(dnnl::cpu_isa isa) {
  const auto has = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  return (has & static_cast<unsigned>(isa)) == static_cast<unsigned>(isa);
}

bool cpu_has_bf16() {  // in oneDNN's primitives, maybe emulated
  static const bool has = at_least(dnnl::cpu_isa::avx512_core);
  return has;
}

bool cpu_has_bf16_matrices() {  // AMX: eight times the rate of fp32, which no saving of products makes up for
  static const bool has = at_least(dnnl::cpu_isa::avx512_core_amx);
  return has;
}

// A bf16 tensor as fp32, for CPUs without bf16.
std::vector<float> widened(const void* data, int64_t count) {
  std::vector<float> wide(data ? count : 0);
  if (data) widen(static_cast<const bfloat16*>(data), wide.data(), count);
  return wide;
}

}  // namespace

bool cpu_has_fast_bf16() { return at_least(dnnl::cpu_isa::avx512_core_bf16); }

std::string cpu_isa_name() {
  const std::pair<dnnl::cpu_isa, const char*> known[] = {{dnnl::cpu_isa::avx512_core_amx, "AVX-512 with AMX"},
                                                         {dnnl::cpu_isa::avx512_core_bf16, "AVX-512 with bf16"},
                                                         {dnnl::cpu_isa::avx512_core, "AVX-512"},
                                                         {dnnl::cpu_isa::avx2, "AVX2"},
                                                         {dnnl::cpu_isa::sse41, "SSE4.1"}};
  for (const auto& [isa, name] : known)
    if (at_least(isa)) return name;
  return "unknown";
}

std::string convolution_library() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

struct Convolution::Impl {
  ConvAlgorithm algorithm;
  PackedWeights packed{};
  DirectConvolution direct{packed};
  WinogradConvolution winograd{packed};

  bool by_winograd(const ConvShape& shape, DType dtype, ConvPass pass) const {
    if (algorithm == ConvAlgorithm::Winograd) return WinogradConvolution::applies(shape);
    if (algorithm == ConvAlgorithm::Direct || (dtype == DType::BF16 && cpu_has_bf16_matrices())) return false;
    return WinogradConvolution::pays(shape, dtype, pass);
  }

  void forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) {
    if (by_winograd(shape, dtype, ConvPass::Forward)) return winograd.forward(queue, shape, dtype, args);
    if (dtype == DType::BF16 && !cpu_has_bf16()) return forward_widened(queue, shape, args);
    direct.forward(queue, shape, dtype, args);
  }

  void backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) {
    if (by_winograd(shape, dtype, ConvPass::BackwardData)) return winograd.backward_data(queue, shape, dtype, args);
    if (dtype == DType::BF16 && !cpu_has_bf16()) return backward_data_widened(queue, shape, args);
    direct.backward_data(queue, shape, dtype, args);
  }

  void backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args) {
    if (by_winograd(shape, dtype, ConvPass::BackwardWeight)) return winograd.backward_weight(queue, shape, dtype, args);
    if (dtype == DType::BF16 && !cpu_has_bf16()) return backward_weight_widened(queue, shape, args);
    direct.backward_weight(queue, shape, dtype, args);
  }

  void forward_widened(Queue& queue, const ConvShape& shape, const ConvForward& args) {
    const auto x = widened(args.x, shape.input_count()), w = widened(args.weights.data, shape.weight_count());
    auto y = args.add ? widened(args.add, shape.output_count()) : std::vector<float>(shape.output_count());
    const float* add = args.add ? y.data() : nullptr;
    forward(queue, shape, DType::F32, {x.data(), {w.data()}, args.bias, add, args.relu, y.data()});
    narrow(y.data(), static_cast<bfloat16*>(args.y), shape.output_count());
  }

  void backward_data_widened(Queue& queue, const ConvShape& shape, const ConvBackwardData& args) {
    const auto dy = widened(args.dy, shape.output_count()), w = widened(args.weights.data, shape.weight_count());
    const auto mask = widened(args.relu_mask, shape.input_count());
    auto dx = args.accumulate ? widened(args.dx, shape.input_count()) : std::vector<float>(shape.input_count());
    backward_data(queue, shape, DType::F32,
                  {dy.data(), {w.data()}, args.relu_mask ? mask.data() : nullptr, args.accumulate, dx.data()});
    narrow(dx.data(), static_cast<bfloat16*>(args.dx), shape.input_count());
  }

  void backward_weight_widened(Queue& queue, const ConvShape& shape, const ConvBackwardWeight& args) {
    const auto x = widened(args.x, shape.input_count()), dy = widened(args.dy, shape.output_count());
    backward_weight(queue, shape, DType::F32, {x.data(), dy.data(), args.accumulate, args.dweight, args.dbias});
  }
};

Convolution::Convolution(ConvAlgorithm algorithm) : impl_(new Impl{algorithm}) {}
Convolution::~Convolution() = default;

void Convolution::forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) {
  if (shape.output_count() == 0) return;
  if (queue.on_cuda())
    return submit_host_work(queue, "conv_forward", [impl = impl_.get(), shape, dtype, args] {
      Queue cpu;
      ConvForward own = args;
      own.weights.version = nullptr;
      impl->forward(cpu, shape, dtype, own);
    });
  queue.submit("conv_forward",
               [impl = impl_.get(), &queue, shape, dtype, args] { impl->forward(queue, shape, dtype, args); });
}

void Convolution::backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) {
  if (shape.output_count() == 0) {  // an empty sum
    if (!args.accumulate) queue.fill_zero(args.dx, shape.input_count() * size_of(dtype));
    return;
  }
  if (queue.on_cuda())
    return submit_host_work(queue, "conv_backward_data", [impl = impl_.get(), shape, dtype, args] {
      Queue cpu;
      ConvBackwardData own = args;
      own.weights.version = nullptr;
      impl->backward_data(cpu, shape, dtype, own);
    });
  queue.submit("conv_backward_data",
               [impl = impl_.get(), &queue, shape, dtype, args] { impl->backward_data(queue, shape, dtype, args); });
}

void Convolution::backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args) {
  if (shape.output_count() == 0) {
    if (args.accumulate) return;
    queue.fill_zero(args.dweight, shape.weight_count() * sizeof(float));
    if (args.dbias) queue.fill_zero(args.dbias, shape.out_c * sizeof(float));
    return;
  }
  if (queue.on_cuda())
    return submit_host_work(queue, "conv_backward_weight", [impl = impl_.get(), shape, dtype, args] {
      Queue cpu;
      impl->backward_weight(cpu, shape, dtype, args);
    });
  queue.submit("conv_backward_weight",
               [impl = impl_.get(), &queue, shape, dtype, args] { impl->backward_weight(queue, shape, dtype, args); });
}

void Convolution::set_algorithm(ConvAlgorithm algorithm) { impl_->algorithm = algorithm; }
void Convolution::set_weight_budget(size_t bytes) { impl_->packed.set_budget(bytes); }
size_t Convolution::cached_bytes() const { return impl_->packed.bytes(); }
void Convolution::forget_weights() { impl_->packed.clear(); }

std::string Convolution::describe(const ConvShape& shape, DType dtype, ConvPass pass) {
  if (shape.output_count() == 0) return "nothing";
  if (impl_->by_winograd(shape, dtype, pass)) return WinogradConvolution::describe(dtype);
  const bool wide = dtype == DType::BF16 && !cpu_has_bf16();
  return impl_->direct.describe(shape, wide ? DType::F32 : dtype, pass) + (wide ? " through fp32" : "");
}

}  // namespace fovea::kernels
