// What a build without CUDA says instead.
#include "kernels/advice.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/cuda_device.h"
#include "kernels/device/gpu.h"

namespace fovea {

namespace {
std::string no_cuda() {
  return "this build has no CUDA: configure with -DFOVEA_CUDA=ON where nvcc is installed, or " +
         advise(advice::kUseCpu);
}
std::string no_description() {
  return "this build has no CUDA, which describing a GPU needs: configure with -DFOVEA_CUDA=ON where nvcc is installed";
}
}  // namespace

Gpu& Gpu::instance() { throw Error(ErrorKind::Usage, no_cuda()); }
void Gpu::describe() { throw Error(ErrorKind::Usage, no_description()); }
bool Gpu::only_described() { return false; }
Gpu::Described::Described() { throw Error(ErrorKind::Usage, no_description()); }
Gpu::Described::~Described() = default;
size_t Gpu::Described::peak() const { return 0; }

GpuStatus gpu_status() { return {.problem = no_cuda(), .kind = ErrorKind::Usage}; }

std::vector<GpuLibrary> gpu_libraries() { return {}; }

void use_gpu(int) { throw Error(ErrorKind::Usage, no_cuda()); }

std::string compiled_architectures() { return "none"; }

int gpu_in_use() { throw Error(ErrorKind::Usage, no_cuda()); }

void leave_gpu() { throw Error(ErrorKind::Usage, no_cuda()); }

bool gpu_takes_one_process() { throw Error(ErrorKind::Usage, no_cuda()); }

bool in_gpu_memory(const void*, int) { return false; }

int gpu_capability() { throw Error(ErrorKind::Usage, no_cuda()); }

GpuMemory gpu_memory() { throw Error(ErrorKind::Usage, no_cuda()); }

std::string GpuStatus::text() const { return "no GPU is used: " + problem + "\n"; }

}  // namespace fovea
