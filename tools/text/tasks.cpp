#include "tools/text/tasks.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>

#include "kernels/device/threads.h"

namespace fovea {

void run_tasks(size_t count, size_t workers, const std::function<void(size_t task, size_t worker)>& task) {
  std::atomic<size_t> next = 0, worker = 0;
  std::mutex mutex;
  std::exception_ptr error;
  size_t failed = SIZE_MAX;
  const auto work = [&] {
    const size_t self = worker++;
    for (size_t i = next++; i < count; i = next++) {
      try {
        task(i, self);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < failed) failed = i, error = std::current_exception();
        next = count;
      }
    }
  };
  workers = std::min(workers, count);
  std::vector<std::thread> threads;
  if (workers > 1) threads = start_threads(workers - 1, work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

size_t usual_workers() { return static_cast<size_t>(std::max(1, omp_get_max_threads())); }

}  // namespace fovea
