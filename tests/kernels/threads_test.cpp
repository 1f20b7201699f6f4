// Threads on cores of their own, and those that may run anywhere.
#include "kernels/device/threads.h"

#include <omp.h>
#include <sched.h>

#include <set>

#include "tests/support/catch.h"
#include "tests/support/variable.h"

using namespace fovea;
using fovea::test::Variable;

namespace {

std::set<int> allowed_here() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  sched_getaffinity(0, sizeof(mask), &mask);
  std::set<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &mask)) cores.insert(core);
  return cores;
}

std::vector<std::set<int>> allowed_of_threads() {
  std::vector<std::set<int>> allowed(static_cast<size_t>(omp_get_max_threads()));
#pragma omp parallel
  allowed[static_cast<size_t>(omp_get_thread_num())] = allowed_here();
  return allowed;
}

// As many threads as said, and none of the variables that say where they run (empty counts as not set).
class Threads {
 public:
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
  Variable bind_{"OMP_PROC_BIND", ""}, places_{"OMP_PLACES", ""};
};

}  // namespace

TEST_CASE("threads: each of a computation's stays on a core of its own, others run anywhere", "[threads]") {
  const std::set<int> all = allowed_here();
  const Threads threads(static_cast<int>(all.size()));
  {
    const PinnedThreads pinned;
    std::set<int> used;
    for (const auto& cores : allowed_of_threads()) {
      CHECK(cores.size() == 1);
      used.insert(cores.begin(), cores.end());
    }
    CHECK(used == all);
    CHECK(usable_cores() == static_cast<int>(all.size()));
    std::set<int> of_another;
    for (std::thread& thread : start_threads(1, [&] { of_another = allowed_here(); })) thread.join();
    CHECK(of_another == all);
  }
  for (const auto& cores : allowed_of_threads()) CHECK(cores == all);
}

TEST_CASE("threads: ranks of one machine take parts of its cores", "[threads]") {
  const int parts = static_cast<int>(allowed_here().size());
  const Threads threads(1);
  std::set<int> used;
  for (int part = 0; part < parts; ++part) {
    const PinnedThreads pinned(part, parts);
    for (const auto& cores : allowed_of_threads()) used.insert(cores.begin(), cores.end());
    CHECK(static_cast<int>(used.size()) == part + 1);
  }
}

TEST_CASE("threads: nothing is pinned where threads are not as many as cores, or the user says where they run",
          "[threads]") {
  const std::set<int> all = allowed_here();
  const Threads threads(static_cast<int>(all.size()) + 1);
  {
    const PinnedThreads pinned;
    for (const auto& cores : allowed_of_threads()) CHECK(cores == all);
  }
  const Threads as_many(static_cast<int>(all.size()));
  const Variable said("OMP_PROC_BIND", "false");
  const PinnedThreads pinned;
  for (const auto& cores : allowed_of_threads()) CHECK(cores == all);
}
