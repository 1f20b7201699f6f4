// How the bytes of ranks get from one to another: the one primitive that all collectives are made of, over TCP or MPI.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/error.h"

namespace fovea {

// Why ranks cannot go on.
struct Trouble {
  ErrorKind kind = ErrorKind::Runtime;
  std::string text;  // empty: there is none
  explicit operator bool() const { return !text.empty(); }
};

class Transport {
 public:
  Transport(int rank, int size, double timeout) : rank_(rank), size_(size), timeout_(timeout) {}
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  int rank() const { return rank_; }
  int size() const { return size_; }
  double timeout() const { return timeout_; }  // seconds that others may be late by

  // Sends out[r] to rank r and fills in[r] with what rank r sends here, all at once; both sides know the sizes. Entries
  // of this rank itself are left alone. Throws Error(Runtime) naming the ranks that have ended or do not answer within
  // the time-out, and what a rank said that gave up (of its kind).
  virtual void exchange(std::span<const std::span<const std::byte>> out, std::span<const std::span<std::byte>> in) = 0;
  // Tells the other ranks that this one gives up; `message` names it. They throw it, as an Error of this kind.
  virtual void abort(ErrorKind kind, const std::string& message) noexcept = 0;
  // That a rank has ended or given up, where it can be seen without an exchange. From any thread.
  virtual Trouble trouble() { return {}; }

 private:
  int rank_, size_;
  double timeout_;
};

// "rank 2", "ranks 1, 3".
std::string name_ranks(const std::vector<int>& ranks);

struct Rendezvous {
  int rank = 0, size = 1;
  std::string address;  // of rank 0, which listens there
  int port = 0;
  double timeout = 300;  // seconds, of the start and of each exchange
};
// Rank 0 waits for all others at its address; then each is connected with each.
std::unique_ptr<Transport> connect_tcp(const Rendezvous& start);
// Of a process that mpirun started; `size` as mpirun says it. Error(Usage) where this build has no MPI.
std::unique_ptr<Transport> connect_mpi(int size, double timeout);

}  // namespace fovea
