// Ranks over TCP, in threads of this process. Over MPI and as programs: tests/tools/ranks_test.cpp.
#include "engine/distributed/communicator.h"

#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <future>

#include "tests/support/catch.h"
#include "tests/support/ranks.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// Environment variables for the time of a test.
class Environment {
 public:
  Environment(std::initializer_list<std::pair<const char*, const char*>> variables) : variables_(variables) {
    for (const auto& [name, value] : variables) setenv(name, value, 1);
  }
  ~Environment() {
    for (const auto& [name, value] : variables_) unsetenv(name);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::vector<std::pair<const char*, const char*>> variables_;
};

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("rank sums are taken in the order of the ranks, with the same bits on every rank", "[rank]") {
  const int size = GENERATE(2, 3, 5);
  const int64_t count = GENERATE(0, 1, 2, 4096, 4097, 100003);  // one round, and two with uneven parts
  CAPTURE(size, count);
  std::vector<std::vector<float>> values;
  for (int r = 0; r < size; ++r)  // of very different sizes, so that another order gives other bits
    values.push_back(seeded_uniform<float>(static_cast<size_t>(count), 7 + r, -1e3f * (r % 2), 1e3f));
  std::vector<float> expected = values[0];
  for (int r = 1; r < size; ++r)
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += values[r][i];
  CHECK(run_ranks(size, [&](Communicator& ranks) {
          Queue queue;
          ranks.all_reduce_sum(queue, values[ranks.rank()].data(), count);
        }) == nothing_thrown(size));
  for (int r = 0; r < size; ++r) CHECK(values[r] == expected);
}

TEST_CASE("rank sums of doubles and whole numbers", "[rank]") {
  std::vector<double> doubles(3);
  std::vector<int32_t> numbers(3);
  CHECK(run_ranks(3, [&](Communicator& ranks) {
          Queue queue;
          const auto r = static_cast<size_t>(ranks.rank());
          doubles[r] = 1 + 0x1p-40;
          numbers[r] = 1 << r;
          ranks.all_reduce_sum(queue, &doubles[r], 1);
          ranks.all_reduce_sum(queue, &numbers[r], 1);
        }) == nothing_thrown(3));
  CHECK(doubles == std::vector<double>(3, 3 + 3 * 0x1p-40));
  CHECK(numbers == std::vector<int32_t>(3, 7));
}

TEST_CASE("a recorded rank sum is replayed, not run", "[rank][replay]") {
  std::vector<float> values{1, 2}, while_recording(2);
  CHECK(run_ranks(2, [&](Communicator& ranks) {
          Queue queue;
          float& value = values[static_cast<size_t>(ranks.rank())];
          const Recording recording = queue.record([&] { ranks.all_reduce_sum(queue, &value, 1); });
          while_recording[static_cast<size_t>(ranks.rank())] = value;
          recording.replay();
          recording.replay();
        }) == nothing_thrown(2));
  CHECK(while_recording == std::vector<float>{1, 2});
  CHECK(values == std::vector<float>{6, 6});
}

TEST_CASE("ranks gather texts of any length, broadcast, and agree on a yes", "[rank]") {
  std::vector<std::vector<std::string>> gathered(3);
  std::vector<std::string> first(3);
  std::vector<std::vector<float>> values{{1, 2}, {3, 4}, {5, 6}};
  std::vector<int> yes(3), no(3), local(3);
  CHECK(run_ranks(3, [&](Communicator& ranks) {
          Queue queue;
          const auto r = static_cast<size_t>(ranks.rank());
          gathered[r] = ranks.all_gather(std::string(100000 * r, static_cast<char>('a' + r)));
          first[r] = ranks.broadcast("from " + std::to_string(r));
          ranks.broadcast(queue, values[r].data(), 2 * sizeof(float));
          yes[r] = ranks.any(r == 2);
          no[r] = ranks.any(false);
          local[r] = 10 * ranks.local_rank() + ranks.local_size();
        }) == nothing_thrown(3));
  for (size_t r = 0; r < 3; ++r) {
    REQUIRE(gathered[r].size() == 3);
    for (size_t from = 0; from < 3; ++from)
      CHECK(gathered[r][from] == std::string(100000 * from, static_cast<char>('a' + from)));
    CHECK(first[r] == "from 0");
    CHECK(values[r] == std::vector<float>{1, 2});
  }
  CHECK(yes == std::vector<int>{1, 1, 1});
  CHECK(no == std::vector<int>{0, 0, 0});
  CHECK(local == std::vector<int>{3, 13, 23});
}

TEST_CASE("one rank alone: collectives change nothing", "[rank]") {
  Communicator ranks;
  Queue queue;
  float value = 3;
  ranks.all_reduce_sum(queue, &value, 1);
  ranks.broadcast(queue, &value, sizeof(value));
  ranks.leave();
  CHECK(value == 3);
  CHECK(ranks.all_gather(std::string("x")) == std::vector<std::string>{"x"});
  CHECK(ranks.any(true));
  CHECK_FALSE(ranks.any(false));
  CHECK(ranks.abort(ErrorKind::Data, "why") == "why");
}

TEST_CASE("fault: a rank that ends is noticed at once and named by all others", "[rank][fault]") {
  std::vector<std::string> thrown;
  const double seconds = seconds_of([&] {
    thrown = run_ranks(3, [](Communicator& ranks) {
      Queue queue;
      std::vector<float> values(1 << 20);
      while (ranks.rank() != 1) ranks.all_reduce_sum(queue, values.data(), 1 << 20);
    });
  });
  CHECK(thrown[1].empty());
  for (const size_t r : {0, 2}) CHECK_THAT(thrown[r], Contains("1") && Contains("ended"));
  CHECK(seconds < 10);
}

TEST_CASE("fault: a rank that gives up tells the others why, with its exit code", "[rank][fault]") {
  std::vector<int> codes(3);
  const auto thrown = run_ranks(3, [&](Communicator& ranks) {
    if (ranks.rank() == 2) {
      ranks.abort(ErrorKind::Data, "no such image");
      return;
    }
    try {
      ranks.barrier();
      ranks.barrier();
    } catch (const Error& error) {
      codes[static_cast<size_t>(ranks.rank())] = error.exit_code();
      throw;
    }
  });
  for (const size_t r : {0, 1}) {
    CHECK(thrown[r] == "rank 2: no such image");
    CHECK(codes[r] == 3);
  }
}

namespace {

// The transports of ranks, all in this thread.
std::vector<std::unique_ptr<Transport>> connect_all(int size) {
  const int port = free_port();
  std::vector<std::unique_ptr<Transport>> transports(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      transports[static_cast<size_t>(rank)] =
          connect_tcp({.rank = rank, .size = size, .address = "127.0.0.1", .port = port, .timeout = 20});
    });
  for (std::thread& thread : threads) thread.join();
  return transports;
}

Trouble wait_for_trouble(Transport& transport) {
  Trouble trouble;
  for (int i = 0; i < 1000 && !trouble; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    trouble = transport.trouble();
  }
  return trouble;
}

}  // namespace

TEST_CASE("fault: what a rank said that gave up is seen without an exchange, with its exit code", "[rank][fault]") {
  const auto ranks = connect_all(2);
  CHECK(!ranks[0]->trouble());
  ranks[1]->abort(ErrorKind::Data, "rank 1: no such image");
  const Trouble trouble = wait_for_trouble(*ranks[0]);
  CHECK(trouble.text == "rank 1: no such image");
  CHECK(trouble.kind == ErrorKind::Data);
}

TEST_CASE("fault: ranks that ended are seen without an exchange, whatever they have sent before", "[rank][fault]") {
  auto ranks = connect_all(3);
  const std::vector<std::byte> sent(100);
  std::vector<std::byte> received(100);
  std::vector<std::span<const std::byte>> out(3, std::span<const std::byte>());
  std::vector<std::span<std::byte>> in(3, std::span<std::byte>());
  out[0] = sent;
  in[0] = received;
  ranks[2].reset();
  CHECK_THROWS_WITH(ranks[1]->exchange(out, in), Contains("rank 2 has ended"));  // its part for rank 0 is on its way
  CHECK(wait_for_trouble(*ranks[0]).text == "rank 2 has ended (killed, or the connection was lost)");
  ranks[1].reset();
  std::string both;
  for (int i = 0; i < 100 && !both.starts_with("ranks"); ++i) both = wait_for_trouble(*ranks[0]).text;
  CHECK(both == "ranks 1, 2 have ended (killed, or the connection was lost)");
}

TEST_CASE("fault: a rank that does not answer ends the others by the time-out", "[rank][fault]") {
  std::atomic<bool> over = false;
  const auto thrown = run_ranks(
      2,
      [&](Communicator& ranks) {
        if (ranks.rank() == 1)
          while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        else
          try {
            ranks.barrier();
          } catch (...) {
            over = true;
            throw;
          }
      },
      0.5);
  CHECK(thrown[0] == "rank 1 did not answer within 0.5 s");
}

TEST_CASE("fault: ranks that do not come to the start are named", "[rank][fault]") {
  const int port = free_port();
  CHECK_THROWS_WITH(connect_tcp({.rank = 0, .size = 3, .address = "127.0.0.1", .port = port, .timeout = 0.3}),
                    Contains("ranks 1, 2 did not connect to 127.0.0.1"));
  CHECK_THROWS_WITH(connect_tcp({.rank = 1, .size = 2, .address = "127.0.0.1", .port = port, .timeout = 0.3}),
                    Contains("rank 0 did not answer at 127.0.0.1"));
}

TEST_CASE("fault: ranks started for another number of ranks, or twice, are refused", "[rank][fault]") {
  const int port = free_port();
  const auto start = [&](int rank, int size) {
    return std::async(std::launch::async, [=] {
      return connect_tcp({.rank = rank, .size = size, .address = "127.0.0.1", .port = port, .timeout = 5});
    });
  };
  auto other = start(1, 3);
  CHECK_THROWS_WITH(connect_tcp({.rank = 0, .size = 2, .address = "127.0.0.1", .port = port, .timeout = 5}),
                    Contains("rank 1 of 3 connected to rank 0 of 2"));
  CHECK_THROWS_AS(other.get(), Error);
  auto one = start(1, 3), again = start(1, 3);
  CHECK_THROWS_WITH(connect_tcp({.rank = 0, .size = 3, .address = "127.0.0.1", .port = port, .timeout = 5}),
                    Contains("two processes were started as rank 1"));
  CHECK_THROWS_AS(one.get(), Error);
  CHECK_THROWS_AS(again.get(), Error);
}

TEST_CASE("fault: a stranger at rank 0's port is sent away, and does not disturb the rendezvous", "[rank][fault]") {
  const int port = free_port();
  std::thread stranger([port] {
    const Socket socket = connect_to("127.0.0.1", port, Deadline(5));
    send_all(socket, std::as_bytes(std::span("GET / HTTP/1.1\r\n\r\n")));
  });
  std::thread other([port] {
    Communicator ranks(connect_tcp({.rank = 1, .size = 2, .address = "127.0.0.1", .port = port, .timeout = 20}));
    ranks.barrier();
  });
  Communicator ranks(connect_tcp({.rank = 0, .size = 2, .address = "127.0.0.1", .port = port, .timeout = 20}));
  ranks.barrier();
  stranger.join();
  other.join();
  CHECK(ranks.size() == 2);
}

TEST_CASE("rank and size come from the environment of torchrun, mpirun or SLURM", "[rank]") {
  CHECK(launch_of_environment().kind == Launch::Kind::Alone);
  {
    const Environment torchrun{{"RANK", "2"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "node1"}, {"MASTER_PORT", "29500"}};
    const Launch launch = launch_of_environment();
    CHECK(launch.kind == Launch::Kind::Tcp);
    CHECK((launch.start.rank == 2 && launch.start.size == 4 && launch.start.port == 29500));
    CHECK(launch.start.address == "node1");
    const Environment agent{{"TORCHELASTIC_USE_AGENT_STORE", "True"}};  // it listens at that port itself
    CHECK(launch_of_environment().start.port == 29501);
  }
  {
    const Environment mpirun{{"OMPI_COMM_WORLD_SIZE", "3"}};
    CHECK(launch_of_environment().kind == Launch::Kind::Mpi);
    const Environment by_hand{{"RANK", "0"}, {"WORLD_SIZE", "1"}};  // counts first
    CHECK(launch_of_environment().kind == Launch::Kind::Alone);
  }
  {
    const Environment job{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_JOB_NODELIST", "gpu[07-09,12],cpu1"}};
    CHECK(launch_of_environment().kind == Launch::Kind::Alone);  // the batch script itself
    const Environment step{{"SLURM_STEP_ID", "0"}, {"SLURM_JOB_ID", "123456"}, {"PMI_SIZE", "8"}};
    const Launch launch = launch_of_environment();
    CHECK(launch.kind == Launch::Kind::Tcp);
    CHECK((launch.start.size == 8 && launch.start.port == 20000 + 123456 % 20000));
    CHECK(launch.start.address == "gpu07");
  }
}

TEST_CASE("fault: an environment of ranks that cannot be right is refused with the variable's name", "[rank][fault]") {
  {
    const Environment rank{{"RANK", "4"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}};
    CHECK_THROWS_WITH(launch_of_environment(), Contains("RANK='4'") && Contains("0 to 3"));
  }
  {
    const Environment text{{"RANK", "0"}, {"WORLD_SIZE", "two"}};
    CHECK_THROWS_WITH(launch_of_environment(), Contains("WORLD_SIZE='two'"));
  }
  const Environment lost{{"RANK", "0"}, {"WORLD_SIZE", "2"}};
  CHECK_THROWS_WITH(launch_of_environment(), Contains("MASTER_ADDR and MASTER_PORT"));
}
