#include "kernels/device/threads.h"

#include <omp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <latch>
#include <regex>
#include <string>
#include <system_error>

#include "kernels/advice.h"
#include "kernels/device/environment.h"
#include "kernels/error.h"

namespace fovea {
namespace {

Error cannot_start(const std::string& what, const std::system_error& error, const std::string& instead) {
  return {ErrorKind::Runtime, "cannot start " + what + ": " + error.code().message() +
                                  ": raise the limit of processes or of memory (ulimit -u, ulimit -v)" + instead};
}

struct Cores {
  cpu_set_t mask{};
  std::vector<int> numbers;

  Cores() {
    if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return;  // more cores than fit: nothing is pinned
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &mask)) numbers.push_back(core);
  }
};

// As they were when first asked for, which is before anything is pinned.
const Cores& cores() {
  static const Cores all;
  return all;
}

void run_on_any_core() {
  if (!cores().numbers.empty()) sched_setaffinity(0, sizeof(cpu_set_t), &cores().mask);
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("" ::: "memory");
#endif
}

// As GNU's OpenMP counts them.
int64_t spins_in(double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr int kTimed = 1000;
  double least = 1;
  for (int tries = 0; tries < 3; ++tries) {
    const auto start = Clock::now();
    for (int i = 0; i < kTimed; ++i) pause();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return static_cast<int64_t>(seconds / std::max(least, 1e-7) * kTimed);
}

}  // namespace

int usable_cores() { return cores().numbers.empty() ? omp_get_num_procs() : static_cast<int>(cores().numbers.size()); }

PinnedThreads::PinnedThreads(int part, int parts) {
  for (const char* variable : {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY"})
    if (environment(variable) != nullptr) return;
  const auto& numbers = cores().numbers;
  const int threads = omp_get_max_threads();
  if (threads != static_cast<int>(numbers.size()) / parts) return;
  pinned_ = true;
#pragma omp parallel num_threads(threads)
  {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(numbers[static_cast<size_t>(part * threads + omp_get_thread_num())], &own);
    sched_setaffinity(0, sizeof(own), &own);
  }
}

PinnedThreads::~PinnedThreads() {
  if (!pinned_) return;
#pragma omp parallel
  run_on_any_core();
}

void set_spin_time(char** argv) {
  if (environment("GOMP_SPINCOUNT") != nullptr || environment("OMP_WAIT_POLICY") != nullptr) return;
  constexpr double kSpin = 150e-6;
  setenv("GOMP_SPINCOUNT", std::to_string(spins_in(kSpin)).c_str(), 1);
  execv("/proc/self/exe", argv);  // where that is not possible the program goes on as it is
}

std::vector<std::thread> start_threads(size_t count, const std::function<void()>& work) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  try {
    while (threads.size() < count)
      threads.emplace_back([work] {
        run_on_any_core();
        work();
      });
  } catch (const std::system_error& error) {
    if (threads.empty()) throw cannot_start("a thread", error, "");
  }
  return threads;
}

void require_thread_count() {
  const char* text = environment("OMP_NUM_THREADS");
  if (text == nullptr) return;
  const std::regex counts("\\s*[0-9]*[1-9][0-9]*\\s*(,\\s*[0-9]*[1-9][0-9]*\\s*)*");
  if (!std::regex_match(text, counts))
    throw Error(ErrorKind::Usage,
                "OMP_NUM_THREADS=" + std::string(text) + ": expected a number of threads, at least 1");
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

void require_stack() {
  constexpr rlim_t kLeast = rlim_t{256} << 10;  // FreeType alone takes more than 64 kB; the environment lies there, too
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < kLeast)
    throw Error(ErrorKind::OutOfMemory, "out of memory: the stack is limited to " +
                                            std::to_string(limit.rlim_cur >> 10) + " kB, and at least " +
                                            std::to_string(kLeast >> 10) + " kB are needed: raise it (ulimit -s 8192)");
}

void require_memory(size_t bytes, const char* what) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw Error(ErrorKind::OutOfMemory, "out of memory: " + std::to_string(bytes >> 20) + " MB for " + what + "; " +
                                            advise(advice::kUseLessMemory));
  munmap(memory, bytes);
}

}  // namespace fovea
