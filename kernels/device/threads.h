// Threads where the system may have no more of them, or no memory for their stacks.
#pragma once
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace fovea {

// Up to `count` threads, at least one, that each run `work`, on any core. Throws Error(Runtime) where not even one can
// be started.
std::vector<std::thread> start_threads(size_t count, const std::function<void()>& work);

// Throws Error(Usage) where OMP_NUM_THREADS is no number of threads: OpenMP would take as many as it likes.
void require_thread_count();

// Throws Error(Runtime), with what to do, where the threads that OpenMP is about to start cannot all be had: its
// library would end the program in its own way.
void require_openmp_threads();

// Cores that this process may use, whatever is pinned.
int usable_cores();

// As long as this lives each of OpenMP's threads, this one included, stays on a core of its own. A busy neighbor would
// otherwise have two of them share a core for good, where one spins at a barrier while the other one is not run
// (scripts/bench_neighbor). Nothing is done where OMP_PROC_BIND, OMP_PLACES or GOMP_CPU_AFFINITY say where threads run,
// or where threads are not as many as cores.
class PinnedThreads {
 public:
  // `part` of `parts`: of the cores, for ranks that share a machine.
  explicit PinnedThreads(int part = 0, int parts = 1);
  ~PinnedThreads();
  PinnedThreads(const PinnedThreads&) = delete;
  PinnedThreads& operator=(const PinnedThreads&) = delete;

 private:
  bool pinned_ = false;
};

// How long GNU's OpenMP spins at a barrier before it sleeps is set by the environment when the program starts: 150 µs,
// which the threads of one computation rarely wait, instead of milliseconds that other processes could have. Starts the
// program again with that, unless GOMP_SPINCOUNT or OMP_WAIT_POLICY are set. Call it first thing in main().
void set_spin_time(char** argv);

// Throws Error(OutOfMemory), with what to do, where the stack is limited to less than libraries need, which would
// crash.
void require_stack();

// Throws Error(OutOfMemory) where the system does not give `bytes` more: asked before libraries that crash without
// them.
void require_memory(size_t bytes, const char* what);

}  // namespace fovea
