// A stand-in for NCCL, for programs that are linked to the stand-in for the CUDA runtime: a libnccl.so.2 that is found
// where FOVEA_NCCL names it. Its ranks are processes or threads of one machine. A collective is a piece of the stream's
// work, recorded and replayed as others are; those of one communicator follow one another in whichever streams they
// are, as NCCL's do. A rank that does not come keeps the others waiting forever, and ncclCommAbort waits, after it has
// ended what is under way, until no graph holds a collective any more: both as in NCCL. Communicators that do not block
// answer ncclInProgress first, to every call.
//
// Environment:
//   FOVEA_STANDIN_NCCL=stall:N   this process's N-th collective (from 1) that its device comes to does not end until it
//                                is aborted
//                     =hang:N    … not even then
//                     =fail:N    … sets the error of a network that broke, and does not end until it is aborted
//                     =pass:N    … is as all others
//                     =…:N:FILE  and this file is made when the device has come to it
#include <nccl.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "tests/standin/nccl_world.h"
#include "tests/standin/state.h"

using standin::Collective;
using standin::World;

namespace {

enum class Fault { None, Stall, Hang, Fail };

struct AskedFault {
  Fault kind = Fault::None;
  int64_t at = 0;
  std::string file;
};

// "KIND:N" or "KIND:N:FILE"
AskedFault read_fault(const std::string& asked) {
  static const std::map<std::string, Fault> kinds{
      {"stall", Fault::Stall}, {"hang", Fault::Hang}, {"fail", Fault::Fail}, {"pass", Fault::None}};
  const size_t first = asked.find(':'), second = asked.find(':', first + 1);
  const auto kind = kinds.find(asked.substr(0, first));
  if (first == std::string::npos || kind == kinds.end())
    throw std::invalid_argument("FOVEA_STANDIN_NCCL is stall:N, hang:N, fail:N or pass:N, or one of these and :FILE");
  return {kind->second, std::stoll(asked.substr(first + 1)),
          second == std::string::npos ? "" : asked.substr(second + 1)};
}

// The environment's fault, where this is the collective that has it.
Fault next_fault() {
  static std::atomic<int64_t> collectives = 0;
  static const AskedFault asked = [] {
    const char* value = std::getenv("FOVEA_STANDIN_NCCL");
    return value != nullptr ? read_fault(value) : AskedFault{};
  }();
  if (++collectives != asked.at) return Fault::None;
  if (!asked.file.empty()) std::ofstream(asked.file) << asked.at << '\n';
  return asked.kind;
}

// What outlives the calls: collectives under way and graphs hold it.
struct Shared {
  std::optional<World> world;
  standin::Chain chain;
  std::atomic<bool> given_up = false;
  std::mutex mutex;
  ncclResult_t status = ncclSuccess;  // as ncclCommGetAsyncError says it
  bool starting = true;               // as long as that is so, a call stays in progress
  std::string error;

  ncclResult_t fail(ncclResult_t with, const std::string& what) {
    const std::lock_guard lock(mutex);
    status = with;
    error = what;
    return with;
  }
};

void wait_for_end(const std::atomic<bool>& given_up) {
  while (!given_up) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void run(Shared& shared, const Collective& call, const void* from, void* to) {
  if (shared.given_up) return;
  const Fault fault = next_fault();
  const std::atomic<bool> never = false;
  if (fault == Fault::Hang) return wait_for_end(never);
  if (fault == Fault::Fail) shared.fail(ncclRemoteError, "the connection to another rank broke");
  if (fault != Fault::None) return wait_for_end(shared.given_up);
  const std::string differs = shared.world->run(call, from, to, shared.given_up);
  if (differs.empty()) return;
  shared.fail(ncclInvalidUsage, differs);
  wait_for_end(shared.given_up);
}

}  // namespace

struct ncclComm {
  bool blocking = true;
  int size = 1;
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();
  std::thread starting;

  ncclResult_t ready() const {
    const std::lock_guard lock(shared->mutex);
    if (shared->status == ncclInProgress) shared->error = "the call before this one has not been waited for";
    return shared->status == ncclInProgress ? ncclInvalidArgument : shared->status;
  }
  // What a call answers that is over already.
  ncclResult_t answer() const {
    if (blocking) return ncclSuccess;
    const std::lock_guard lock(shared->mutex);
    if (shared->status != ncclSuccess) return shared->status;
    return shared->status = ncclInProgress;
  }
  ncclResult_t enqueue(const char* name, const Collective& call, const void* from, void* to, size_t bytes,
                       cudaStream_t stream) {
    if (const ncclResult_t status = ready(); status != ncclSuccess) return status;
    if (!standin::in_device_memory(from, bytes) || !standin::in_device_memory(to, bytes))
      return shared->fail(ncclInvalidArgument, "memory that is not the device's, or ends too early");
    const auto work = [held = shared, call, from, to] { standin::while_unlocked([&] { run(*held, call, from, to); }); };
    const cudaError_t status = standin::enqueue(stream, name, work, &shared->chain);
    if (status != cudaSuccess) return shared->fail(ncclUnhandledCudaError, cudaGetErrorName(status));
    return answer();
  }
};

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  try {
    *id = World::create();
    return ncclSuccess;
  } catch (const std::runtime_error&) {
    return ncclSystemError;
  }
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* made, int size, ncclUniqueId id, int rank, ncclConfig_t* config) {
  if (made == nullptr || rank < 0 || rank >= size || size > standin::kMostRanks) return ncclInvalidArgument;
  if (config != nullptr && config->magic != 0xcafebeef) return ncclInvalidArgument;
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return ncclUnhandledCudaError;
  auto* communicator = *made = new ncclComm;
  communicator->size = size;
  communicator->blocking = config == nullptr || config->blocking != 0;
  Shared& shared = *communicator->shared;
  shared.status = ncclInProgress;
  try {
    shared.world.emplace(rank, size, id);
  } catch (const std::runtime_error& error) {
    return shared.fail(ncclSystemError, error.what());
  }
  const auto start = [held = communicator->shared, device] {
    const std::string differs = held->world->join(device, held->given_up);
    if (!differs.empty()) {
      held->fail(ncclInvalidUsage, differs);
    } else if (!held->given_up) {
      const std::lock_guard lock(held->mutex);
      held->starting = false;
    }
  };
  communicator->starting = std::thread(start);
  if (!communicator->blocking) return ncclInProgress;
  communicator->starting.join();
  if (shared.status == ncclInProgress) shared.status = ncclSuccess;
  return shared.status;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t communicator, ncclResult_t* status) {
  if (communicator == nullptr || status == nullptr) return ncclInvalidArgument;
  Shared& shared = *communicator->shared;
  const std::lock_guard lock(shared.mutex);
  *status = shared.status;
  if (shared.status == ncclInProgress && !shared.starting) shared.status = ncclSuccess;  // when asked again
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  if (communicator == nullptr) return ncclSuccess;
  communicator->shared->given_up = true;
  if (communicator->starting.joinable()) communicator->starting.join();
  while (communicator->shared.use_count() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  delete communicator;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t operation,
                           ncclComm_t communicator, cudaStream_t stream) {
  if (communicator == nullptr || operation != ncclSum || World::bytes_of(type) == 0) return ncclInvalidArgument;
  return communicator->enqueue("ncclAllReduce",
                               {.kind = Collective::Kind::AllReduce, .type = type, .root = 0, .count = count}, from, to,
                               count * World::bytes_of(type), stream);
}

ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root,
                           ncclComm_t communicator, cudaStream_t stream) {
  if (communicator == nullptr || root < 0 || root >= communicator->size || World::bytes_of(type) == 0)
    return ncclInvalidArgument;
  return communicator->enqueue("ncclBroadcast",
                               {.kind = Collective::Kind::Broadcast, .type = type, .root = root, .count = count}, from,
                               to, count * World::bytes_of(type), stream);
}

const char* ncclGetErrorString(ncclResult_t status) {
  switch (status) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled CUDA error";
    case ncclSystemError:
      return "system error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote error";
    case ncclInProgress:
      return "in progress";
    default:
      return "another error";
  }
}

const char* ncclGetLastError(ncclComm_t communicator) {
  thread_local std::string error;
  if (communicator == nullptr) return "";
  const std::lock_guard lock(communicator->shared->mutex);
  error = communicator->shared->error;
  return error.c_str();
}

}  // extern "C"
