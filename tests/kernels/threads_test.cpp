// Threads on cores of their own, and those that may run anywhere.
#include "kernels/device/threads.h"

#include <omp.h>
#include <sched.h>

#include <cstdlib>
#include <optional>
#include <set>
#include <string>

#include "tests/support/catch.h"

using namespace fovea;

namespace {

// The tests run with OMP_PROC_BIND=false, which PinnedThreads heeds.
class WithoutBinding {
 public:
  WithoutBinding() {
    if (const char* value = std::getenv("OMP_PROC_BIND")) before_ = value;
    unsetenv("OMP_PROC_BIND");
  }
  ~WithoutBinding() {
    if (before_) setenv("OMP_PROC_BIND", before_->c_str(), 1);
  }

 private:
  std::optional<std::string> before_;
};

std::set<int> allowed_here() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  sched_getaffinity(0, sizeof(mask), &mask);
  std::set<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &mask)) cores.insert(core);
  return cores;
}

std::vector<std::set<int>> allowed_of_threads(int threads) {
  std::vector<std::set<int>> allowed(static_cast<size_t>(threads));
#pragma omp parallel num_threads(threads)
  allowed[static_cast<size_t>(omp_get_thread_num())] = allowed_here();
  return allowed;
}

}  // namespace

TEST_CASE("threads: each of a computation's stays on a core of its own, others run anywhere", "[threads]") {
  const std::set<int> all = allowed_here();
  const int threads = static_cast<int>(all.size());
  if (threads < 2) SKIP_TEST("one core");
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  const WithoutBinding no_variable;
  {
    const PinnedThreads pinned;
    std::set<int> used;
    for (const auto& cores : allowed_of_threads(threads)) {
      CHECK(cores.size() == 1);
      used.insert(cores.begin(), cores.end());
    }
    CHECK(used == all);
    CHECK(usable_cores() == threads);
    std::set<int> of_another;
    for (std::thread& thread : start_threads(1, [&] { of_another = allowed_here(); })) thread.join();
    CHECK(of_another == all);
  }
  for (const auto& cores : allowed_of_threads(threads)) CHECK(cores == all);
  omp_set_num_threads(before);
}

TEST_CASE("threads: ranks of one machine take parts of its cores, and what the user says counts", "[threads]") {
  const std::set<int> all = allowed_here();
  const int threads = static_cast<int>(all.size()) / 2;
  const int before = omp_get_max_threads();
  const auto check_unpinned = [&](int count) {
    const PinnedThreads pinned;
    for (const auto& cores : allowed_of_threads(count)) CHECK(cores == all);
  };
  check_unpinned(static_cast<int>(all.size()));  // by OMP_PROC_BIND=false
  if (threads < 2) SKIP_TEST("fewer than four cores");
  const WithoutBinding no_variable;
  omp_set_num_threads(threads);
  check_unpinned(threads);  // not all cores: another process may want the others
  std::set<int> used;
  for (const int part : {0, 1}) {
    const PinnedThreads pinned(part, 2);
    for (const auto& cores : allowed_of_threads(threads)) used.insert(cores.begin(), cores.end());
  }
  CHECK(used.size() == static_cast<size_t>(2 * threads));
  omp_set_num_threads(before);
}
