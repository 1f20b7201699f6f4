// What takes the place of cuda_device.cpp in builds without CUDA.
#include "benchmarks/device.h"
#include "kernels/error.h"

namespace fovea::bench::gpu {

void* allocate(size_t) { throw Error(ErrorKind::Runtime, "this build has no CUDA"); }
void release(void*) {}
double seconds(Queue&, const std::function<void()>&) { throw Error(ErrorKind::Runtime, "this build has no CUDA"); }

}  // namespace fovea::bench::gpu
