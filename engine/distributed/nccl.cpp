// Collectives over NCCL, which is loaded when several ranks train on GPUs. Calls go into the queue's stream, so that a
// CUDA graph captures them. Where one of them does not end, a Watch sees it (watch.h).
#include <dlfcn.h>
#include <fmt/format.h>
#include <nccl.h>

#include <cstdlib>
#include <mutex>
#include <thread>

#include "engine/distributed/communicator.h"
#include "engine/distributed/socket.h"
#include "engine/distributed/watch.h"
#include "kernels/device/cuda_device.h"
#include "kernels/device/shared_library.h"

namespace fovea {

namespace {

constexpr LibraryName kNccl{"libnccl.so.2", "FOVEA_NCCL", "NCCL 2"};

// NCCL would register the buffers of recorded sums with its links, which is not measured yet: only where its user asks.
void* load_nccl() {
  setenv("NCCL_GRAPH_REGISTER", "0", /*overwrite=*/0);
  return load_library(kNccl).handle;
}

struct Nccl {
  void* library = load_nccl();
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
  FOVEA_NCCL(ncclGetLastError);
#undef FOVEA_NCCL
};

// The communicator, as several threads see it: the host's that calls collectives, the watch's, and the one that ends
// it.
class Handle {
 public:
  const Nccl nccl{};

  ncclResult_t connect(int size, int rank, const ncclUniqueId& id) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;  // so that no call can hang
    const ncclResult_t status = nccl.ncclCommInitRankConfig(&made_, size, id, rank, &config);
    const std::lock_guard lock(mutex_);
    communicator_ = made_;
    return status;
  }

  // nullptr once it has ended. A collective may be called in it while another thread ends it.
  ncclComm_t get() const {
    const std::lock_guard lock(mutex_);
    return communicator_;
  }

  ncclResult_t status() const {
    const std::lock_guard lock(mutex_);
    ncclResult_t status = ncclSuccess;
    if (communicator_ == nullptr) return status;
    const ncclResult_t asked = nccl.ncclCommGetAsyncError(communicator_, &status);
    return asked != ncclSuccess ? asked : status;
  }

  std::string describe(ncclResult_t status) const {
    const std::lock_guard lock(mutex_);
    const std::string name = nccl.ncclGetErrorString(status);
    const char* last = communicator_ != nullptr ? nccl.ncclGetLastError(communicator_) : nullptr;
    return last != nullptr && *last != '\0' ? fmt::format("{} ({})", name, last) : name;
  }

  // Kernels of its collectives end at once. Returns when no graph holds any of them.
  void abort() {
    ncclComm_t ending = nullptr;
    {
      const std::lock_guard lock(mutex_);
      std::swap(ending, communicator_);
    }
    if (ending != nullptr) nccl.ncclCommAbort(ending);
  }

 private:
  mutable std::mutex mutex_;
  ncclComm_t made_ = nullptr;  // NCCL writes there until it is connected
  ncclComm_t communicator_ = nullptr;
};

class NcclCollectives : public DeviceCollectives {
 public:
  NcclCollectives(Communicator& ranks, Transport& transport)
      : timeout_(transport.timeout()), watch_(transport.rank(), timeout_, hooks(handle_, transport)) {
    ncclUniqueId id{};
    if (ranks.is_first()) check(handle_->nccl.ncclGetUniqueId(&id), "ncclGetUniqueId");
    id = ranks.all_gather(id)[0];
    check(handle_->connect(ranks.size(), ranks.rank(), id), "ncclCommInitRankConfig");
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
    call("ncclBroadcast", [&](ncclComm_t communicator) {
      return handle_->nccl.ncclBroadcast(values, values, bytes, ncclUint8, 0, communicator,
                                         static_cast<cudaStream_t>(stream));
    });
  }
  Watch& watch() override { return watch_; }

 private:
  static Watch::Hooks hooks(const std::shared_ptr<Handle>& handle, Transport& transport) {
    return {.start = [gpu = gpu_in_use()] { use_gpu(gpu); },
            .look = [handle, &transport]() -> Trouble {
              if (Trouble trouble = transport.trouble()) return trouble;
              const ncclResult_t status = handle->status();
              if (status == ncclSuccess || status == ncclInProgress) return {};
              return {ErrorKind::Runtime, fmt::format("NCCL: {}", handle->describe(status))};
            },
            .abort = [handle] { handle->abort(); }};
  }

  void reduce(void* stream, void* values, int64_t count, ncclDataType_t type) {
    call("ncclAllReduce", [&](ncclComm_t communicator) {
      return handle_->nccl.ncclAllReduce(values, values, static_cast<size_t>(count), type, ncclSum, communicator,
                                         static_cast<cudaStream_t>(stream));
    });
  }

  template <class Collective>
  void call(const char* name, const Collective& collective) {
    watch_.check();
    check(collective(handle_->get()), name);
    watch_.moved();
  }

  // A call that is under way is waited for until the time-out.
  void check(ncclResult_t status, const char* call) {
    const Deadline deadline(timeout_);
    while (status == ncclInProgress) {
      if (deadline.passed())
        throw Error(ErrorKind::Runtime, fmt::format("{} took more than {:g} s: a rank did not answer", call, timeout_));
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      watch_.check();
      status = handle_->status();
    }
    watch_.check();
    if (status != ncclSuccess)
      throw Error(ErrorKind::Runtime, fmt::format("{} failed: {}", call, handle_->describe(status)));
  }

  std::shared_ptr<Handle> handle_ = std::make_shared<Handle>();
  double timeout_;
  Watch watch_;
};

}  // namespace

GpuLibrary nccl_library() {
  const FoundLibrary found = find_library(kNccl);
  GpuLibrary library{.name = "NCCL", .path = found.loaded.path, .problem = found.problem};
  if (!found.problem.empty()) return library;
  int version = 0;
  if (void* get = dlsym(found.loaded.handle, "ncclGetVersion"))
    reinterpret_cast<decltype(::ncclGetVersion)*>(get)(&version);
  library.version = fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  return library;
}

std::unique_ptr<DeviceCollectives> connect_nccl(Communicator& communicator, Transport& transport) {
  return std::make_unique<NcclCollectives>(communicator, transport);
}

}  // namespace fovea
