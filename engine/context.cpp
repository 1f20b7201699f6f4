#include "engine/context.h"

#include "kernels/advice.h"
#include "kernels/device/cuda_device.h"

namespace fovea {

namespace {

constexpr int kAmpere = 80;  // compute capability 8.0: the first with bf16 and TF32

DType resolve(DeviceKind device, Precision precision) {
  const int capability = device == DeviceKind::Cuda ? gpu_capability() : 0;
  const bool fast = device == DeviceKind::Cuda ? capability >= kAmpere : kernels::cpu_has_fast_bf16();
  if (precision == Precision::Auto) return fast ? DType::BF16 : DType::F32;
  if (precision != Precision::BF16) return DType::F32;
  if (device == DeviceKind::Cuda && !fast)
    throw Error(ErrorKind::Usage, "bf16 needs a GPU of compute capability 8.0 or newer; this one has " +
                                      std::to_string(capability / 10) + "." + std::to_string(capability % 10) + "; " +
                                      advise(advice::kUseFp32));
  return DType::BF16;
}

}  // namespace

Context::Context(DeviceKind device, Precision precision, kernels::ConvAlgorithm algorithm)
    : queue(device),
      convolution(algorithm),
      activation_dtype(resolve(device, precision)),
      tf32(precision == Precision::TF32 && device == DeviceKind::Cuda && gpu_capability() >= kAmpere) {
  convolution.set_tf32(tf32);
}

std::string Context::arithmetic() const { return tf32 ? "fp32 by TF32" : name_of(activation_dtype); }

}  // namespace fovea
