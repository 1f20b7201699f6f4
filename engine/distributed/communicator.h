// The ranks that train together: processes of one program, each with its own part of every batch (data parallel). Sums
// over ranks are taken in the order of the ranks, so that every rank gets the same bits, in every run.
//
// Host collectives act at once; those that take a queue act in the queue's order and are recorded with it: on the CPU
// over MPI or TCP, on a GPU over NCCL. Every rank must call the same ones in the same order.
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/distributed/transport.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/queue.h"

namespace fovea {

class Watch;

// Collectives on a GPU's memory, put into the queue's stream (nccl.cpp).
class DeviceCollectives {
 public:
  virtual ~DeviceCollectives() = default;
  virtual void all_reduce_sum(void* stream, float* values, int64_t count) = 0;
  virtual void all_reduce_sum(void* stream, double* values, int64_t count) = 0;
  virtual void all_reduce_sum(void* stream, int32_t* values, int64_t count) = 0;
  virtual void broadcast(void* stream, void* values, size_t bytes) = 0;
  virtual Watch& watch() = 0;
};

class Communicator {
 public:
  Communicator();  // this process alone: every collective does nothing
  // Gathers the hosts' names, to know which ranks share a machine.
  explicit Communicator(std::unique_ptr<Transport> transport);
  ~Communicator();

  int rank() const { return transport_ ? transport_->rank() : 0; }
  int size() const { return transport_ ? transport_->size() : 1; }
  bool alone() const { return size() == 1; }
  bool is_first() const { return rank() == 0; }
  int local_rank() const { return local_rank_; }  // among those of this machine: the number of this rank's GPU
  int local_size() const { return local_size_; }

  // values[i] = Σ over ranks of their values[i], in the order of the ranks. T: float, double, int32_t.
  template <class T>
  void all_reduce_sum(Queue& queue, T* values, int64_t count);
  // The same beside what the queue is given from now on, until join(): on a GPU in a stream of its own, on the CPU in
  // order.
  void all_reduce_sum_aside(Queue& queue, float* values, int64_t count);
  void join(Queue& queue);
  // Everybody's `values` become those of rank 0.
  void broadcast(Queue& queue, void* values, size_t bytes);

  // What every rank gave, by rank.
  std::vector<std::string> all_gather(const std::string& bytes);
  template <class T>
  std::vector<T> all_gather(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<T> all(static_cast<size_t>(size()), value);
    gather_fixed(reinterpret_cast<const std::byte*>(&value), reinterpret_cast<std::byte*>(all.data()), sizeof(T));
    return all;
  }
  std::string broadcast(const std::string& bytes);  // rank 0's
  bool any(bool value);
  void barrier();

  // Calls body(), which gives the queue work with collectives. Where that work stands still for the time-out, or a rank
  // that it needs has ended, it is ended on a GPU with worthless results, and this rank's next host collective or
  // check() throws. `what` names it: "step 17". On the CPU the collectives throw themselves.
  void watched(Queue& queue, const std::string& what, const std::function<void()>& body);
  // Before results of watched work are used.
  void check() const;

  // At the clean end, on every rank: waits for all, so that nobody takes the end of one for its death.
  void leave();
  // This rank cannot go on: the others get "rank N: why" as an Error of the same kind. Returns that text.
  std::string abort(ErrorKind kind, const std::string& why) noexcept;

 private:
  template <class T>
  void reduce_on_host(T* values, int64_t count);
  template <class T>
  void reduce_whole(T* values, int64_t count);
  void exchange(std::span<const std::span<const std::byte>> out, std::span<const std::span<std::byte>> in);
  void gather_fixed(const std::byte* mine, std::byte* all, size_t bytes);

  DeviceCollectives& on_gpu();

  struct Side;  // a GPU's queue beside another
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<DeviceCollectives> on_gpu_;  // as side_, made at the first use of a GPU's queue
  std::unique_ptr<Side> side_;
  int local_rank_ = 0, local_size_ = 1;
  std::vector<std::byte> scratch_;
};

// What started this process, from its environment: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as torchrun sets them;
// Open MPI's mpirun; SLURM's srun; a PMI launcher of MPI. None, or one rank: alone.
struct RankOptions {
  double timeout = 300;  // seconds
};
std::unique_ptr<Communicator> connect_ranks(const RankOptions& options);

// What connect_ranks goes by; apart, for tests.
struct Launch {
  enum class Kind : uint8_t { Alone, Tcp, Mpi } kind = Kind::Alone;
  Rendezvous start;
};
Launch launch_of_environment();

// Needs an NCCL; Error(Runtime) where there is none, or this build has no CUDA.
std::unique_ptr<DeviceCollectives> connect_nccl(Communicator& communicator, Transport& transport);
// As kernels/conv/gpu_libraries.h describes the others. Loads it.
GpuLibrary nccl_library();

}  // namespace fovea
