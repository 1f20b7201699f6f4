// Collectives on a GPU's memory: the engine's calls of NCCL, and what the stand-in for it holds them to. The ranks are
// threads of this process, each on a device of its own.
#if defined(FOVEA_STANDIN_NCCL)
#include <atomic>

#include "kernels/activation.h"
#include "kernels/device/cuda_device.h"
#include "kernels/device/memory.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tests/support/ranks.h"
#include "tests/support/scoped.h"
#include "tests/support/seeded.h"
#include "tests/support/variable.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// A rank's queue and memory on its own device.
struct Rank {
  Communicator& ranks;
  Queue queue{DeviceKind::Cuda};
  Allocator& memory = queue.memory();
  std::vector<void*> held;

  explicit Rank(Communicator& communicator) : ranks(communicator) {}
  ~Rank() {
    for (void* data : held) memory.free(data);
  }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  template <class T>
  T* put(const std::vector<T>& values) {
    const size_t bytes = values.size() * sizeof(T);
    held.push_back(memory.allocate(static_cast<int64_t>(bytes), MemoryUse::Data));
    queue.copy(held.back(), values.data(), bytes);
    return static_cast<T*>(held.back());
  }
  template <class T>
  std::vector<T> get(const T* data, size_t count) {
    std::vector<T> values(count);
    queue.copy(values.data(), data, count * sizeof(T));
    queue.synchronize("the test");
    return values;
  }
};

std::vector<std::string> run_gpu_ranks(int size, const std::function<void(Rank&)>& work, double timeout = 30) {
  const Variable library("FOVEA_NCCL", FOVEA_STANDIN_NCCL);
  const Scoped devices(standin::set_devices, size);
  return run_ranks(
      size,
      [&](Communicator& communicator) {
        use_gpu(communicator.rank());
        {
          Rank rank(communicator);
          work(rank);
        }
        communicator.leave();
      },
      timeout);
}

}  // namespace

TEST_CASE("standin: rank sums on GPUs are taken in the order of the ranks", "[standin][rank]") {
  const int size = GENERATE(2, 3);
  const size_t count = GENERATE(1, 4097, 600001);  // of one and of several pieces
  CAPTURE(size, count);
  std::vector<std::vector<float>> values;
  for (int r = 0; r < size; ++r)
    values.push_back(seeded_uniform<float>(count, 7 + r, -1e3f * static_cast<float>(r % 2), 1e3f));
  std::vector<float> expected = values[0];
  for (int r = 1; r < size; ++r)
    for (size_t i = 0; i < count; ++i) expected[i] += values[r][i];
  std::vector<std::vector<double>> doubles(size);
  std::vector<std::vector<int32_t>> numbers(size);
  CHECK(run_gpu_ranks(size, [&](Rank& rank) {
          const auto r = static_cast<size_t>(rank.ranks.rank());
          float* data = rank.put(values[r]);
          auto* as_doubles = rank.put(std::vector<double>{1 + 0x1p-40});
          auto* as_numbers = rank.put(std::vector<int32_t>{1 << r});
          rank.ranks.all_reduce_sum(rank.queue, data, static_cast<int64_t>(count));
          rank.ranks.all_reduce_sum(rank.queue, as_doubles, 1);
          rank.ranks.all_reduce_sum(rank.queue, as_numbers, 1);
          values[r] = rank.get(data, count);
          doubles[r] = rank.get(as_doubles, 1);
          numbers[r] = rank.get(as_numbers, 1);
        }) == nothing_thrown(size));
  for (int r = 0; r < size; ++r) {
    CHECK(values[r] == expected);
    CHECK(doubles[r][0] == size + size * 0x1p-40);
    CHECK(numbers[r][0] == (1 << size) - 1);
  }
}

TEST_CASE("standin: rank 0's values are broadcast over GPUs", "[standin][rank]") {
  std::vector<std::vector<float>> values{{1, 2}, {3, 4}, {5, 6}};
  CHECK(run_gpu_ranks(3, [&](Rank& rank) {
          auto& own = values[static_cast<size_t>(rank.ranks.rank())];
          float* data = rank.put(own);
          rank.ranks.broadcast(rank.queue, data, 2 * sizeof(float));
          own = rank.get(data, 2);
        }) == nothing_thrown(3));
  for (const auto& own : values) CHECK(own == std::vector<float>{1, 2});
}

TEST_CASE("standin: rank sums on GPUs are recorded, beside the queue and in it, and replayed",
          "[standin][rank][replay]") {
  std::vector<std::vector<float>> values{{1, 2, 3}, {10, 20, 30}}, while_recording(2);
  std::vector<size_t> nodes(2);
  CHECK(run_gpu_ranks(2, [&](Rank& rank) {
          const auto r = static_cast<size_t>(rank.ranks.rank());
          float* data = rank.put(values[r]);
          const auto work = [&] {  // value 0: summed; values 1 and 2: doubled, summed beside; then the whole doubled
            kernels::add_into(rank.queue, 2, data + 1, data + 1);
            rank.ranks.all_reduce_sum(rank.queue, data, 1);
            rank.ranks.all_reduce_sum_aside(rank.queue, data + 1, 2);
            rank.ranks.join(rank.queue);
            kernels::add_into(rank.queue, 3, data, data);
          };
          work();
          const Recording recording = rank.queue.record(work);
          while_recording[r] = rank.get(data, 3);
          recording.replay();
          recording.replay();
          values[r] = rank.get(data, 3);
          nodes[r] = recording.size();
        }) == nothing_thrown(2));
  // Each time: value 0 is (a + b)·2, the others (2a + 2b)·2; from the second time on a = b.
  for (const size_t r : {0, 1}) {
    CHECK(while_recording[r] == std::vector<float>{22, 88, 132});
    CHECK(values[r] == std::vector<float>{22 * 16, 88 * 64, 132 * 64});
    CHECK(nodes[r] == 4);
  }
}

TEST_CASE("standin: rank sums in several queues follow one another in the order of their calls", "[standin][rank]") {
  const Scoped order(standin::set_adverse_order,
                     true);  // what is waited for last is done last, unless it must come first
  std::vector<std::vector<float>> sums(2);
  CHECK(run_gpu_ranks(2, [&](Rank& rank) {
          Queue other(DeviceKind::Cuda);
          float* data = rank.put(std::vector<float>{1, 2, 3});
          rank.queue.synchronize("the test");
          rank.ranks.all_reduce_sum(rank.queue, data, 1);
          rank.ranks.all_reduce_sum(other, data + 1, 2);
          (rank.ranks.is_first() ? other : rank.queue).synchronize("the test");
          other.synchronize("the test");
          sums[static_cast<size_t>(rank.ranks.rank())] = rank.get(data, 3);
        }) == nothing_thrown(2));
  for (const auto& own : sums) CHECK(own == std::vector<float>{2, 4, 6});
}

TEST_CASE("standin: fault: a rank sum beyond the memory's end is refused", "[standin][rank][fault]") {
  for (const std::string& thrown : run_gpu_ranks(2, [](Rank& rank) {
         float* data = rank.put(std::vector<float>(64));
         rank.ranks.all_reduce_sum(rank.queue, data, 1 << 24);
       }))
    CHECK_THAT(thrown, Contains("ncclAllReduce failed: invalid argument (memory that is not the device's"));
}

TEST_CASE("standin: fault: rank sums of different lengths are an error, not a hang", "[standin][rank][fault]") {
  for (const std::string& thrown : run_gpu_ranks(2, [](Rank& rank) {
         float* data = rank.put(std::vector<float>(64));
         rank.ranks.all_reduce_sum(rank.queue, data, 4 + rank.ranks.rank());
         rank.queue.synchronize("the test");
         rank.ranks.check();
       }))
    CHECK_THAT(thrown, Contains("invalid usage") && Contains("all-reduce of 4 values") &&
                           Contains("all-reduce of 5 values") && Contains("on rank 0"));
}

TEST_CASE("standin: fault: two ranks on one device are refused by NCCL", "[standin][rank][fault]") {
  for (const std::string& thrown : run_gpu_ranks(2, [](Rank& rank) {
         use_gpu(0);
         rank.ranks.all_reduce_sum(rank.queue, rank.put(std::vector<float>(4)), 4);
       }))
    CHECK_THAT(thrown, Contains("ncclCommInitRankConfig failed: invalid usage") && Contains("Duplicate GPU"));
}

TEST_CASE("standin: fault: watched work that a rank takes no part in ends by the time-out, with its name",
          "[standin][rank][fault]") {
  std::atomic<bool> over = false;
  const auto start = std::chrono::steady_clock::now();
  const auto thrown = run_gpu_ranks(
      2,
      [&](Rank& rank) {
        float* data = rank.put(std::vector<float>(4));
        rank.ranks.all_reduce_sum(rank.queue, data, 4);
        rank.queue.synchronize("the test");
        if (rank.ranks.is_first()) {
          try {
            rank.ranks.watched(rank.queue, "the second sum", [&] { rank.ranks.all_reduce_sum(rank.queue, data, 4); });
            rank.queue.synchronize("the test");
            over = true;
            rank.ranks.check();
          } catch (...) {
            over = true;
            throw;
          }
        }
        while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      },
      1);
  CHECK_THAT(thrown[0], Contains("the second sum has made no progress on the GPU for 1 s"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
}

TEST_CASE("standin: fault: a rank that does not answer keeps nobody from freeing a GPU's memory",
          "[standin][rank][fault]") {
  const Scoped order(standin::set_adverse_order,
                     true);  // the sum is under way, and waited for when the memory is freed
  std::atomic<bool> over = false;
  const auto start = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::steady_clock::now() - start; };
  const auto thrown = run_gpu_ranks(
      2,
      [&](Rank& rank) {
        float* data = rank.put(std::vector<float>(4));
        rank.ranks.all_reduce_sum(rank.queue, data, 4);
        rank.queue.synchronize("the test");
        if (rank.ranks.is_first()) {
          struct AtEnd {
            std::atomic<bool>& over;
            ~AtEnd() { over = true; }
          } at_end{over};
          Queue other(DeviceKind::Cuda);
          rank.ranks.all_reduce_sum(other, data, 4);
          rank.ranks.barrier();
        }
        while (!over && passed() < std::chrono::seconds(15)) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      },
      1);
  CHECK(thrown[0] == "rank 1 did not answer within 1 s");
  CHECK(passed() < std::chrono::seconds(10));
}

TEST_CASE("standin: watched work of ranks that takes longer than the time-out, but moves on, goes on",
          "[standin][rank]") {
  constexpr double kTimeout = 1;
  std::vector<int> sums(2);
  CHECK(run_gpu_ranks(
            2,
            [&](Rank& rank) {
              auto* more = rank.put(std::vector<int32_t>(1));
              const auto start = std::chrono::steady_clock::now();
              rank.ranks.watched(rank.queue, "many sums", [&] {
                for (int32_t all = 1; all != 0; ++sums[static_cast<size_t>(rank.ranks.rank())]) {
                  all = seconds_since(start) < 2 * kTimeout ? 1 : 0;
                  rank.queue.copy(more, &all, sizeof(all));
                  rank.ranks.all_reduce_sum(rank.queue, more, 1);
                  all = rank.get(more, 1)[0];
                }
              });
              rank.ranks.check();
            },
            kTimeout) == nothing_thrown(2));
  CHECK(sums[0] > 1);
  CHECK(sums[0] == sums[1]);
}

TEST_CASE("standin: watched work of ranks that has ended is not taken for work that stands still", "[standin][rank]") {
  constexpr double kTimeout = 1;
  std::vector<float> results(2);
  CHECK(run_gpu_ranks(
            2,
            [&](Rank& rank) {
              float* data = rank.put(std::vector<float>{1});
              for (int i = 0; i < 2; ++i) {
                rank.ranks.watched(rank.queue, "a sum", [&] { rank.ranks.all_reduce_sum(rank.queue, data, 1); });
                rank.queue.synchronize("the test");
                const auto end = std::chrono::steady_clock::now();
                while (seconds_since(end) < 1.5 * kTimeout) {
                  rank.ranks.check();
                  std::this_thread::sleep_for(std::chrono::milliseconds(10));
                }
              }
              results[static_cast<size_t>(rank.ranks.rank())] = rank.get(data, 1)[0];
            },
            kTimeout) == nothing_thrown(2));
  CHECK(results == std::vector<float>{4, 4});
}
#endif
