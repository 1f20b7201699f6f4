// Collectives over NCCL, which is loaded when several ranks train on GPUs. Calls go into the queue's stream, so that a
// CUDA graph captures them. A thread watches for errors and for ranks that have ended: the host may be waiting for a
// stream that a dead rank keeps from ending, so it is the watcher that says so and ends the process.
#if defined(FOVEA_HAS_NCCL)
#include <dlfcn.h>
#include <fmt/format.h>
#include <nccl.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "engine/communicator.h"
#include "engine/communicator_socket.h"
#include "kernels/cudnn_library.h"

namespace fovea {

namespace {

constexpr auto kWatchEvery = std::chrono::milliseconds(100);

struct Nccl {
  void* library = cudnn::load_library({"libnccl.so.2", "FOVEA_NCCL", "NCCL 2"}).handle;
  template <class Function>
  Function* find(const char* name, Function*) const {
    void* symbol = dlsym(library, name);
    if (symbol == nullptr) throw Error(ErrorKind::Runtime, fmt::format("libnccl.so.2 has no {}: it is too old", name));
    return reinterpret_cast<Function*>(symbol);
  }
#define FOVEA_NCCL(name) decltype(::name)* name = find(#name, static_cast<decltype(::name)*>(nullptr))
  FOVEA_NCCL(ncclGetUniqueId);
  FOVEA_NCCL(ncclCommInitRankConfig);
  FOVEA_NCCL(ncclCommGetAsyncError);
  FOVEA_NCCL(ncclCommAbort);
  FOVEA_NCCL(ncclAllReduce);
  FOVEA_NCCL(ncclBroadcast);
  FOVEA_NCCL(ncclGetErrorString);
#undef FOVEA_NCCL
};

class NcclCollectives : public DeviceCollectives {
 public:
  NcclCollectives(Communicator& ranks, const Transport& transport)
      : transport_(transport), timeout_(transport.timeout()) {
    ncclUniqueId id{};
    if (ranks.is_first()) check(nccl_.ncclGetUniqueId(&id), "ncclGetUniqueId");
    id = ranks.all_gather(id)[0];
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;  // so that no call can hang
    check(nccl_.ncclCommInitRankConfig(&communicator_, ranks.size(), id, ranks.rank(), &config),
          "ncclCommInitRankConfig");
    watcher_ = std::thread([this] { watch(); });
  }

  ~NcclCollectives() override {
    stopping_ = true;
    watcher_.join();
    nccl_.ncclCommAbort(communicator_);  // waits for nobody: a clean end has nothing under way
  }

  void all_reduce_sum(void* stream, float* values, int64_t count) override {
    reduce(stream, values, count, ncclFloat32);
  }
  void all_reduce_sum(void* stream, double* values, int64_t count) override {
    reduce(stream, values, count, ncclFloat64);
  }
  void all_reduce_sum(void* stream, int32_t* values, int64_t count) override {
    reduce(stream, values, count, ncclInt32);
  }
  void broadcast(void* stream, void* values, size_t bytes) override {
    const std::lock_guard lock(mutex_);
    check(nccl_.ncclBroadcast(values, values, bytes, ncclUint8, 0, communicator_, static_cast<cudaStream_t>(stream)),
          "ncclBroadcast");
  }

 private:
  void reduce(void* stream, void* values, int64_t count, ncclDataType_t type) {
    const std::lock_guard lock(mutex_);
    check(nccl_.ncclAllReduce(values, values, static_cast<size_t>(count), type, ncclSum, communicator_,
                              static_cast<cudaStream_t>(stream)),
          "ncclAllReduce");
  }

  // A call that is under way is waited for until the time-out.
  void check(ncclResult_t status, const char* call) {
    const Deadline deadline(timeout_);
    while (status == ncclInProgress) {
      if (deadline.passed())
        throw Error(ErrorKind::Runtime,
                    fmt::format("{} took more than {:g} s: a rank does not answer", call, timeout_));
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      const ncclResult_t asked = nccl_.ncclCommGetAsyncError(communicator_, &status);
      if (asked != ncclSuccess) status = asked;
    }
    if (status != ncclSuccess)
      throw Error(ErrorKind::Runtime, fmt::format("{} failed: {}", call, nccl_.ncclGetErrorString(status)));
  }

  void watch() {
    while (!stopping_) {
      std::this_thread::sleep_for(kWatchEvery);
      std::string trouble = transport_.dead_ranks();
      if (trouble.empty()) {
        const std::lock_guard lock(mutex_);
        ncclResult_t status = ncclSuccess;
        nccl_.ncclCommGetAsyncError(communicator_, &status);
        if (status != ncclSuccess && status != ncclInProgress)
          trouble = fmt::format("NCCL: {}", nccl_.ncclGetErrorString(status));
      }
      if (trouble.empty() || stopping_) continue;
      fmt::print(stderr, "fovea: rank {}: {}\n", transport_.rank(), trouble);
      std::fflush(stderr);
      std::_Exit(static_cast<int>(ErrorKind::Runtime));  // checkpoints are whole whenever that is
    }
  }

  Nccl nccl_;
  const Transport& transport_;
  double timeout_;
  ncclComm_t communicator_ = nullptr;
  std::mutex mutex_;  // between the watcher and calls
  std::atomic<bool> stopping_ = false;
  std::thread watcher_;
};

}  // namespace

std::unique_ptr<DeviceCollectives> connect_nccl(Communicator& communicator, const Transport& transport) {
  return std::make_unique<NcclCollectives>(communicator, transport);
}

}  // namespace fovea
#endif
