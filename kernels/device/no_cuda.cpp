// What a build without CUDA says instead.
#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/cuda_device.h"
#include "kernels/device/gpu.h"

namespace fovea {

namespace {
constexpr const char* kNone =
    "this build has no CUDA: configure with -DFOVEA_CUDA=ON where nvcc is, or use --device cpu";
}

Gpu& Gpu::instance() { throw Error(ErrorKind::Usage, kNone); }
void Gpu::describe() { throw Error(ErrorKind::Usage, kNone); }
bool Gpu::only_described() { return false; }
Gpu::Described::Described() { throw Error(ErrorKind::Usage, kNone); }
Gpu::Described::~Described() = default;
size_t Gpu::Described::peak() const { return 0; }

GpuStatus gpu_status() { return {.problem = kNone, .kind = ErrorKind::Usage}; }

std::vector<GpuLibrary> gpu_libraries() { return {}; }

void use_gpu(int) { throw Error(ErrorKind::Usage, kNone); }

std::string compiled_architectures() { return "none"; }

int gpu_in_use() { throw Error(ErrorKind::Usage, kNone); }

void leave_gpu() { throw Error(ErrorKind::Usage, kNone); }

int gpu_capability() { throw Error(ErrorKind::Usage, kNone); }

GpuMemory gpu_memory() { throw Error(ErrorKind::Usage, kNone); }

std::string GpuStatus::text() const { return "no GPU is used: " + problem + "\n"; }

}  // namespace fovea
