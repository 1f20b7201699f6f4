// In place of kernels/cuda_host_work.cpp: the stand-in can do the CPU's work in a stream's order.
#include "kernels/cuda_host_work.h"

#include "kernels/cuda_check.h"
#include "tests/standin/standin.h"

namespace fovea {

void submit_host_work(Queue& queue, const char* name, const std::function<void()>& work) {
  queue.submit(name,
               [&] { cuda_check(standin::enqueue(static_cast<cudaStream_t>(queue.stream()), name, work), name); });
}

}  // namespace fovea
