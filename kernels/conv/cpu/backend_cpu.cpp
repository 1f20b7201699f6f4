// The CPU's convolution: bf16 through fp32 where it must, and the choice of the algorithm.
#include "kernels/activation.h"
#include "kernels/conv/backend.h"
#include "kernels/conv/cpu/cpu_features.h"
#include "kernels/conv/cpu/direct.h"
#include "kernels/conv/cpu/winograd_conv.h"
#include "kernels/conv/packed_weights.h"
#include "kernels/reduce.h"

namespace fovea::kernels {
namespace {

// A bf16 tensor as fp32.
std::vector<float> widened(Queue& queue, const void* data, int64_t count) {
  std::vector<float> wide(data ? count : 0);
  if (data) cast(queue, count, static_cast<const bfloat16*>(data), wide.data());
  return wide;
}

}  // namespace

std::string convolution_library() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

namespace {

class OnednnBackend final : public ConvBackend {
 public:
  explicit OnednnBackend(ConvAlgorithm algorithm) : algorithm_(algorithm) {}

  void forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) override {
    queue.submit("conv_forward", [=, this, &queue] { run_forward(queue, shape, dtype, args); });
  }
  void backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) override {
    queue.submit("conv_backward_data", [=, this, &queue] { run_backward_data(queue, shape, dtype, args); });
  }
  void backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args) override {
    queue.submit("conv_backward_weight", [=, this, &queue] { run_backward_weight(queue, shape, dtype, args); });
    if (args.dbias == nullptr) return;
    dispatch(dtype, [&]<class T> {
      column_sum(queue, int64_t{shape.batch} * shape.out_h() * shape.out_w(), shape.out_c,
                 static_cast<const T*>(args.dy), args.dbias, args.accumulate);
    });
  }

  void set_algorithm(ConvAlgorithm algorithm) override { algorithm_ = algorithm; }
  void set_weight_budget(size_t bytes) override { packed_.set_budget(bytes); }
  size_t cached_bytes() const override { return packed_.bytes(); }
  void forget_weights() override { packed_.clear(); }

  std::string describe(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) override {
    if (by_winograd(shape, dtype, pass)) return WinogradConvolution::describe(shape, dtype);
    const bool wide = through_fp32(shape, dtype, pass);
    return direct_.describe(shape, wide ? DType::F32 : dtype, pass, fusion) + (wide ? " through fp32" : "");
  }

 private:
  bool by_winograd(const ConvShape& shape, DType dtype, ConvPass pass) const {
    if (algorithm_ == ConvAlgorithm::Winograd) return WinogradConvolution::applies(shape);
    if (algorithm_ == ConvAlgorithm::Direct || (dtype == DType::BF16 && cpu_has_bf16_matrices())) return false;
    if (shape.stride == 2 && cpu_has_avx512()) return false;  // whose strided forms are good ones
    return WinogradConvolution::pays(shape, dtype, pass);
  }

  // bf16 where the CPU has none; and the weight gradient of 3×3 layers with stride 1 on CPUs with AMX, which oneDNN 2.6
  // reads and writes at wrong places where the output is wide: from 230 pixels in some heights, from 353 in all.
  static bool through_fp32(const ConvShape& shape, DType dtype, ConvPass pass) {
    if (dtype != DType::BF16) return false;
    constexpr int kWidestRight = 224;
    const bool wrong = cpu_has_bf16_matrices() && pass == ConvPass::BackwardWeight && shape.kernel_w == 3 &&
                       shape.stride == 1 && shape.out_w() > kWidestRight;
    return wrong || !cpu_has_bf16();
  }

  void run_forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) {
    if (by_winograd(shape, dtype, ConvPass::Forward)) return winograd_.forward(queue, shape, dtype, args);
    if (through_fp32(shape, dtype, ConvPass::Forward)) return forward_widened(queue, shape, args);
    direct_.forward(queue, shape, dtype, args);
  }

  void run_backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) {
    if (by_winograd(shape, dtype, ConvPass::BackwardData)) return winograd_.backward_data(queue, shape, dtype, args);
    if (through_fp32(shape, dtype, ConvPass::BackwardData)) return backward_data_widened(queue, shape, args);
    direct_.backward_data(queue, shape, dtype, args);
  }

  void run_backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args) {
    if (by_winograd(shape, dtype, ConvPass::BackwardWeight))
      return winograd_.backward_weight(queue, shape, dtype, args);
    if (through_fp32(shape, dtype, ConvPass::BackwardWeight)) return backward_weight_widened(queue, shape, args);
    direct_.backward_weight(queue, shape, dtype, args);
  }

  void forward_widened(Queue& queue, const ConvShape& shape, const ConvForward& args) {
    const auto x = widened(queue, args.x, shape.input_count()),
               w = widened(queue, args.weights.data, shape.weight_count());
    auto y = args.add ? widened(queue, args.add, shape.output_count()) : std::vector<float>(shape.output_count());
    const float* add = args.add ? y.data() : nullptr;
    run_forward(queue, shape, DType::F32, {x.data(), {w.data()}, args.bias, add, args.relu, y.data()});
    cast(queue, shape.output_count(), y.data(), static_cast<bfloat16*>(args.y));
  }

  void backward_data_widened(Queue& queue, const ConvShape& shape, const ConvBackwardData& args) {
    const auto dy = widened(queue, args.dy, shape.output_count()),
               w = widened(queue, args.weights.data, shape.weight_count());
    const auto mask = widened(queue, args.relu_mask, shape.input_count());
    auto dx = args.accumulate ? widened(queue, args.dx, shape.input_count()) : std::vector<float>(shape.input_count());
    run_backward_data(queue, shape, DType::F32,
                      {dy.data(), {w.data()}, args.relu_mask ? mask.data() : nullptr, args.accumulate, dx.data()});
    cast(queue, shape.input_count(), dx.data(), static_cast<bfloat16*>(args.dx));
  }

  void backward_weight_widened(Queue& queue, const ConvShape& shape, const ConvBackwardWeight& args) {
    const auto x = widened(queue, args.x, shape.input_count()), dy = widened(queue, args.dy, shape.output_count());
    run_backward_weight(queue, shape, DType::F32, {x.data(), dy.data(), args.accumulate, args.dweight});
  }

  ConvAlgorithm algorithm_;
  PackedWeights packed_;
  DirectConvolution direct_{packed_};
  WinogradConvolution winograd_{packed_};
};

}  // namespace

std::unique_ptr<ConvBackend> make_onednn_backend(ConvAlgorithm algorithm) {
  return std::make_unique<OnednnBackend>(algorithm);
}

}  // namespace fovea::kernels
