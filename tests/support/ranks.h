// Several ranks in one process: a thread each, connected over TCP.
#pragma once
#include <omp.h>

#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "engine/distributed/communicator.h"
#include "engine/distributed/socket.h"

namespace fovea::test {

// A port that nobody listens at.
inline int free_port() { return own_endpoint(listen_at("127.0.0.1", 0, 1)).port; }

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// work(communicator) on each rank; what each threw, "" where nothing. Catch's macros belong outside of `work`.
inline std::vector<std::string> run_ranks(int size, const std::function<void(Communicator&)>& work,
                                          double timeout = 30) {
  std::vector<std::string> thrown(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  const int port = free_port();
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      omp_set_num_threads(1);  // of this rank's kernels: ranks share the cores
      try {
        Communicator communicator(
            connect_tcp({.rank = rank, .size = size, .address = "127.0.0.1", .port = port, .timeout = timeout}));
        work(communicator);
      } catch (const std::exception& error) {
        thrown[static_cast<size_t>(rank)] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

inline std::vector<std::string> nothing_thrown(int size) { return std::vector<std::string>(static_cast<size_t>(size)); }

}  // namespace fovea::test
