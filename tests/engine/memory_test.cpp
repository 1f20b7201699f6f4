#include "engine/memory.h"

#include <cstring>
#include <random>
#include <vector>

#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("freed memory is reused, split and joined again", "[memory]") {
  Queue queue;
  Allocator memory(queue);
  void* whole = memory.allocate(4 << 20, MemoryUse::Activations);
  memory.free(whole);
  void* first = memory.allocate(1 << 20, MemoryUse::Activations);
  void* second = memory.allocate(1 << 20, MemoryUse::Data);
  CHECK(first == whole);
  CHECK(second == static_cast<std::byte*>(whole) + (1 << 20));
  CHECK(memory.statistics().from_system == 1);
  memory.free(first);
  memory.free(second);
  CHECK(memory.allocate(4 << 20, MemoryUse::Activations) == whole);
}

TEST_CASE("memory in use never overlaps, and the statistics add up", "[memory]") {
  Queue queue;
  Allocator memory(queue);
  std::mt19937 random(3);
  struct Held {
    unsigned char* data;
    size_t bytes;
    unsigned char mark;
  };
  std::vector<Held> held;
  size_t asked = 0;
  for (int i = 0; i < 3000; ++i) {
    if (held.size() > 40 || (!held.empty() && random() % 3 == 0)) {
      const size_t which = random() % held.size();
      const Held gone = held[which];
      for (size_t k = 0; k < gone.bytes; ++k) REQUIRE(gone.data[k] == gone.mark);
      memory.free(gone.data);
      asked -= gone.bytes;
      held.erase(held.begin() + static_cast<int64_t>(which));
    } else {
      const size_t bytes = 1 + random() % 20000;
      auto* data = static_cast<unsigned char*>(memory.allocate(bytes, MemoryUse::Data));
      REQUIRE(reinterpret_cast<uintptr_t>(data) % 64 == 0);
      const auto mark = static_cast<unsigned char>(random());
      std::memset(data, mark, bytes);
      held.push_back({data, bytes, mark});
      asked += bytes;
    }
    REQUIRE(memory.statistics().total >= asked);
    REQUIRE(memory.statistics().total <= asked + 64 * held.size());
  }
  for (const Held& h : held) memory.free(h.data);
  CHECK(memory.statistics().total == 0);
  CHECK(memory.statistics().reserved > 0);
  memory.release_cached();
  CHECK(memory.statistics().reserved == 0);
}

TEST_CASE("fault: memory that runs out ends with the breakdown and what to change", "[memory][fault]") {
  Queue queue;
  Allocator memory(queue);
  void* some = memory.allocate(3 << 20, MemoryUse::Activations);
  try {
    memory.allocate(size_t{1} << 55, MemoryUse::Activations);
    FAIL("so much memory there is not");
  } catch (const Error& error) {
    CHECK(error.exit_code() == 5);
    CHECK_THAT(error.what(),
               Catch::Contains("activations") && Catch::Contains("3.0 MiB now") && Catch::Contains("train.batch"));
  }
  memory.free(some);
}
