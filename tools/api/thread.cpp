#include "tools/api/thread.h"

#include <fmt/format.h>
#include <omp.h>

#include <cfenv>
#include <csignal>
#include <system_error>
#include <utility>

#include "kernels/device/threads.h"
#include "tools/api/status.h"

namespace fovea::api {

namespace {

// As long as this lives, threads that are made take no signals, but for those that say that something is wrong with the
// thread itself.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

std::thread quiet_thread(const char* purpose, std::function<void()> work) {
  try {
    const WithoutSignals quiet;
    return std::thread([work = std::move(work)] {
      std::fesetenv(FE_DFL_ENV);  // a thread begins with the rounding mode, and the like, of the one that made it
      work();
    });
  } catch (const std::system_error& error) {
    throw Refused(FOVEA_ERROR_RUNTIME,
                  fmt::format("cannot start a thread for {}: {}", purpose, error.code().message()));
  }
}

void use_threads(int threads) {
  require_thread_count();
  if (threads > 0) omp_set_num_threads(threads);
  require_openmp_threads();
}

}  // namespace fovea::api
