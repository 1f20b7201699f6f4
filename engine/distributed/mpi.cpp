// Ranks that an MPI launcher started. Messages are plain sends and receives, so that the order of sums is ours.
#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "engine/distributed/socket.h"
#include "engine/distributed/transport.h"
#include "kernels/interrupt.h"

namespace fovea {

namespace {

constexpr size_t kLongestMessage = size_t{1} << 30;  // MPI counts in int

class MpiTransport : public Transport {
 public:
  MpiTransport(int rank, int size, double timeout) : Transport(rank, size, timeout) {}
  ~MpiTransport() override {
    if (!broken_) MPI_Finalize();
  }

  // MPI's own error handler ends all ranks where a call fails.
  void exchange(std::span<const std::span<const std::byte>> out, std::span<const std::span<std::byte>> in) override {
    std::vector<MPI_Request> requests;
    std::vector<int> of_rank;
    const auto each_piece = [&](size_t bytes, int r, const auto& start) {
      for (size_t first = 0; first < bytes; first += kLongestMessage) {
        requests.push_back(MPI_REQUEST_NULL);
        of_rank.push_back(r);
        start(first, static_cast<int>(std::min(kLongestMessage, bytes - first)), &requests.back());
      }
    };
    for (int r = 0; r < size(); ++r) {
      if (r == rank()) continue;
      const auto to = out[static_cast<size_t>(r)];
      const auto from = in[static_cast<size_t>(r)];
      each_piece(from.size(), r, [&](size_t first, int bytes, MPI_Request* request) {
        MPI_Irecv(from.data() + first, bytes, MPI_BYTE, r, 0, MPI_COMM_WORLD, request);
      });
      each_piece(to.size(), r, [&](size_t first, int bytes, MPI_Request* request) {
        MPI_Isend(to.data() + first, bytes, MPI_BYTE, r, 0, MPI_COMM_WORLD, request);
      });
    }
    wait(requests, of_rank);
  }

  void abort(ErrorKind kind, const std::string& message) noexcept override {
    broken_ = true;
    std::fflush(stdout);
    std::fprintf(stderr, "fovea: %s\n", message.c_str());
    std::fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, static_cast<int>(kind));
  }

 private:
  // Ranks may share cores: one that waits soon lets the others work.
  void wait(std::vector<MPI_Request>& requests, const std::vector<int>& of_rank) {
    const Deadline deadline(timeout());
    for (int tries = 0;; ++tries) {
      int done = 0;
      MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
      if (done != 0) return;
      end_if_requested();  // all ranks end then (abort)
      if (tries < 100)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(std::min(tries, 500)));
      if (tries % 100 == 0 && deadline.passed()) fail_late(requests, of_rank);
    }
  }

  [[noreturn]] void fail_late(const std::vector<MPI_Request>& requests, const std::vector<int>& of_rank) const {
    std::vector<int> late;
    for (size_t i = 0; i < requests.size(); ++i)
      if (requests[i] != MPI_REQUEST_NULL && (late.empty() || late.back() != of_rank[i])) late.push_back(of_rank[i]);
    throw Error(ErrorKind::Runtime, fmt::format("{} did not answer within {:g} s", name_ranks(late), timeout()));
  }

  bool broken_ = false;
};

}  // namespace

std::unique_ptr<Transport> connect_mpi(int size, double timeout) {
  int given = 0, rank = 0, found = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &found);
  auto transport = std::make_unique<MpiTransport>(rank, found, timeout);
  if (found != size)
    throw Error(
        ErrorKind::Usage,
        fmt::format("the launcher reports {} ranks but MPI reports {}: use the launcher of the MPI that Fovea was "
                    "built with",
                    size, found));
  if (given < MPI_THREAD_FUNNELED)
    throw Error(ErrorKind::Runtime, "this MPI does not support multithreaded programs: use one that does");
  return transport;
}

}  // namespace fovea
