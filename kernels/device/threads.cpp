#include "kernels/device/threads.h"

#include <omp.h>
#include <sys/mman.h>

#include <latch>
#include <string>
#include <system_error>

#include "kernels/advice.h"
#include "kernels/error.h"

namespace fovea {
namespace {

Error cannot_start(const std::string& what, const std::system_error& error, const std::string& instead) {
  return {ErrorKind::Runtime, "cannot start " + what + ": " + error.code().message() +
                                  ": raise the limit of processes or of memory (ulimit -u, ulimit -v)" + instead};
}

}  // namespace

std::vector<std::thread> start_threads(size_t count, const std::function<void()>& work) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  try {
    while (threads.size() < count) threads.emplace_back(work);
  } catch (const std::system_error& error) {
    if (threads.empty()) throw cannot_start("a thread", error, "");
  }
  return threads;
}

void require_openmp_threads() {
  const int count = omp_get_max_threads();
  std::latch all_tried(1);
  std::vector<std::thread> threads;
  const auto end = [&] {
    all_tried.count_down();
    for (std::thread& thread : threads) thread.join();
  };
  try {
    while (static_cast<int>(threads.size()) < count - 1) threads.emplace_back([&] { all_tried.wait(); });
  } catch (const std::system_error& error) {
    end();
    throw cannot_start("the " + std::to_string(count) + " threads of a computation", error,
                       ", or set OMP_NUM_THREADS to fewer");
  }
  end();
}

void require_memory(size_t bytes, const char* what) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw Error(ErrorKind::OutOfMemory, "out of memory: " + std::to_string(bytes >> 20) + " MB for " + what + "; " +
                                            advise(advice::kUseLessMemory));
  munmap(memory, bytes);
}

}  // namespace fovea
