// The contract's face: empty shapes, and which implementation a queue's device takes.
#include "kernels/conv/conv.h"

#include "kernels/conv/backend.h"

namespace fovea::kernels {

struct Convolution::Impl {
  ConvAlgorithm algorithm;
  bool autotune = false, tf32 = false;
  std::unique_ptr<ConvBackend> cpu{make_onednn_backend(algorithm)}, cuda;

  ConvBackend& on(DeviceKind device) {
    if (device == DeviceKind::Cpu) return *cpu;
    if (cuda == nullptr) {
      cuda = make_cudnn_backend();
      cuda->set_autotune(autotune);
      cuda->set_tf32(tf32);
    }
    return *cuda;
  }
  template <class F>
  void each(const F& f) {
    f(*cpu);
    if (cuda != nullptr) f(*cuda);
  }
};

Convolution::Convolution(ConvAlgorithm algorithm) : impl_(new Impl{algorithm}) {}
Convolution::~Convolution() = default;

void Convolution::forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) {
  if (shape.output_count() == 0) return;
  impl_->on(queue.device()).forward(queue, shape, dtype, args);
}

size_t Convolution::relu_bits_bytes(Queue& queue, const ConvShape& shape, DType dtype, const ConvFusion& fusion) {
  return shape.output_count() == 0 ? 0 : impl_->on(queue.device()).relu_bits_bytes(queue, shape, dtype, fusion);
}

void Convolution::backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) {
  if (shape.output_count() > 0) return impl_->on(queue.device()).backward_data(queue, shape, dtype, args);
  // An empty sum.
  if (!args.accumulate) queue.fill_zero(args.dx, shape.input_count() * size_of(dtype));
}

void Convolution::backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args) {
  if (shape.output_count() > 0) return impl_->on(queue.device()).backward_weight(queue, shape, dtype, args);
  if (args.accumulate) return;
  queue.fill_zero(args.dweight, shape.weight_count() * sizeof(float));
  if (args.dbias) queue.fill_zero(args.dbias, shape.out_c * sizeof(float));
}

void Convolution::set_algorithm(ConvAlgorithm algorithm) {
  impl_->algorithm = algorithm;
  impl_->each([&](ConvBackend& backend) { backend.set_algorithm(algorithm); });
}
void Convolution::set_weight_budget(size_t bytes) {
  impl_->each([&](ConvBackend& backend) { backend.set_weight_budget(bytes); });
}
void Convolution::set_autotune(bool on) {
  impl_->autotune = on;
  impl_->each([&](ConvBackend& backend) { backend.set_autotune(on); });
}
void Convolution::set_tf32(bool allowed) {
  impl_->tf32 = allowed;
  impl_->each([&](ConvBackend& backend) { backend.set_tf32(allowed); });
}
size_t Convolution::cached_bytes() const {
  size_t bytes = 0;
  impl_->each([&](ConvBackend& backend) { bytes += backend.cached_bytes(); });
  return bytes;
}
void Convolution::forget_weights() {
  impl_->each([](ConvBackend& backend) { backend.forget_weights(); });
}

std::string Convolution::describe(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion,
                                  DeviceKind device) {
  return shape.output_count() == 0 ? "nothing" : impl_->on(device).describe(shape, dtype, pass, fusion);
}
std::vector<ConvPlanTime> Convolution::time_plans(Queue& queue, const ConvShape& shape, DType dtype, ConvPass pass,
                                                  int most) {
  if (shape.output_count() == 0) return {};
  return impl_->on(DeviceKind::Cuda).time_plans(queue, shape, dtype, pass, most);
}
std::vector<ConvPlan> Convolution::plans(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) {
  if (shape.output_count() == 0) return {};
  return impl_->on(DeviceKind::Cuda).plans(shape, dtype, pass, fusion);
}

}  // namespace fovea::kernels
