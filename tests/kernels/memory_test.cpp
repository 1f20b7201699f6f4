#include "kernels/device/memory.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/error.h"
#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("freed memory is reused, split and joined again", "[memory]") {
  Queue queue;
  Allocator& memory = queue.memory();
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
  Allocator& memory = queue.memory();
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

TEST_CASE("replay: memory that was freed while recording is never given to eager work", "[memory][replay]") {
  Queue queue;
  Allocator& memory = queue.memory();
  void* inside = nullptr;
  {
    const Recording recording = queue.record([&] {
      inside = memory.allocate(1 << 20, MemoryUse::Activations);
      queue.fill_zero(inside, 1 << 20);
      memory.free(inside);  // as the tape does with what it no longer needs
    });
    auto* eager = static_cast<unsigned char*>(memory.allocate(1 << 20, MemoryUse::Data));
    std::memset(eager, 7, 1 << 20);
    recording.replay();
    CHECK(eager != inside);
    CHECK(std::count(eager, eager + (1 << 20), 7) == 1 << 20);
    memory.release_cached();
    CHECK(memory.statistics().recorded > 0);  // the recording still writes there
    void* again = nullptr;
    queue.record([&] { again = memory.allocate(1 << 20, MemoryUse::Activations); });
    CHECK(again == inside);  // recordings share it
    memory.free(again);
    memory.free(eager);
  }
  memory.release_cached();
  CHECK(memory.statistics().reserved == 0);
}

TEST_CASE("replay: a rehearsal leaves the memory that its recording needs", "[memory][replay]") {
  Queue queue;
  Allocator& memory = queue.memory();
  const auto body = [&] {
    void* a = memory.allocate(5 << 20, MemoryUse::Activations);
    void* b = memory.allocate(3 << 20, MemoryUse::Activations);
    memory.free(a);
    memory.free(b);
  };
  queue.warm_up(body);
  const auto before = memory.statistics().from_system;
  queue.record(body);
  CHECK(memory.statistics().from_system == before);
}

TEST_CASE("memory freed in one branch of a fork is not reused by another before the join", "[memory]") {
  Queue queue;
  Allocator& memory = queue.memory();
  std::vector<void*> given;
  queue.fork(3, [&](int) {
    given.push_back(memory.allocate(1 << 20, MemoryUse::Activations));
    memory.free(given.back());
  });
  CHECK(given[0] != given[1]);
  CHECK(given[1] != given[2]);
  CHECK(memory.statistics().peak >= 3 << 20);
  CHECK(memory.allocate(1 << 20, MemoryUse::Activations) == given[0]);
  CHECK(memory.statistics().total == 1 << 20);
}

TEST_CASE("a branch of a fork reuses what it has allocated itself, also in a fork before", "[memory]") {
  Queue queue;
  Allocator& memory = queue.memory();
  const size_t size = 1 << 20;
  const auto allocate = [&](size_t bytes) { return memory.allocate(bytes, MemoryUse::Activations); };
  std::vector<void*> kept(2);
  queue.fork(2, [&](int branch) {
    void* const first = allocate(2 * size);
    memory.free(first);
    CHECK(allocate(size) == first);  // a part of it
    kept[static_cast<size_t>(branch)] = allocate(size);
    CHECK(kept[static_cast<size_t>(branch)] == static_cast<std::byte*>(first) + size);
    memory.free(first);
  });
  CHECK(memory.statistics().total == 4 * size);
  void* const outside = allocate(size);
  CHECK(memory.statistics().total == 3 * size);
  queue.fork(2, [&](int branch) {
    const int other = 1 - branch;
    if (branch == 0) memory.free(outside);
    memory.free(kept[static_cast<size_t>(branch)]);
    CHECK(allocate(size) == kept[static_cast<size_t>(branch)]);
    void* const next = allocate(size);
    CHECK(next != outside);
    CHECK(next != kept[static_cast<size_t>(other)]);
    memory.free(next);
    memory.free(kept[static_cast<size_t>(branch)]);
  });
  void* const last = memory.allocate(1, MemoryUse::Data);
  memory.free(last);
  CHECK(memory.statistics().total == 0);
  for (const size_t bytes : memory.statistics().current) CHECK(bytes == 0);
}

TEST_CASE("no branch of a fork is given memory that another has had in the same fork", "[memory]") {
  Queue queue;
  Allocator& memory = queue.memory();
  std::mt19937 random(5);
  struct Piece {
    std::byte* data;
    size_t bytes;
  };
  const auto allocate = [&] {
    const size_t bytes = 1 + random() % 20000;
    const auto use = random() % 2 == 0 ? MemoryUse::Data : MemoryUse::Activations;
    return Piece{static_cast<std::byte*>(memory.allocate(bytes, use)), bytes};
  };
  const auto overlap = [](const Piece& a, const Piece& b) {
    return a.data < b.data + b.bytes && b.data < a.data + a.bytes;
  };
  std::vector<Piece> outside, of_branch[3];  // held
  const auto free_some = [&](std::vector<Piece>& held) {
    while (!held.empty() && random() % 3 != 0) {
      std::swap(held[random() % held.size()], held.back());
      memory.free(held.back().data);
      held.pop_back();
    }
  };
  size_t reused = 0;
  for (int i = 0; i < 300; ++i) {
    for (int k = 0; k < 4; ++k) outside.push_back(allocate());
    free_some(outside);
    for (auto& held : of_branch)
      if (random() % 8 == 0) free_some(held);
    std::vector<Piece> had[3];  // in this fork, by each branch: what may still run there
    queue.fork(3, [&](int branch) {
      auto& held = of_branch[branch];
      had[branch] = held;
      for (int k = 0; k < 6; ++k) {
        const Piece piece = allocate();
        for (int other = 0; other < branch; ++other)
          for (const Piece& theirs : had[other]) REQUIRE(!overlap(piece, theirs));
        for (const Piece& mine : held) REQUIRE(!overlap(piece, mine));
        for (const Piece& everyones : outside) REQUIRE(!overlap(piece, everyones));
        for (const Piece& mine : had[branch]) reused += overlap(piece, mine) ? 1 : 0;
        held.push_back(piece);
        had[branch].push_back(piece);
        free_some(held);
      }
    });
  }
  CHECK(reused > 100);
  for (const auto& held : {outside, of_branch[0], of_branch[1], of_branch[2]})
    for (const Piece& piece : held) memory.free(piece.data);
  for (const size_t bytes : memory.statistics().current) CHECK(bytes == 0);
  memory.release_cached();
  CHECK(memory.statistics().reserved == 0);
}

TEST_CASE("fault: memory that runs out ends with the breakdown and what to change", "[memory][fault]") {
  Queue queue;
  Allocator& memory = queue.memory();
  void* some = memory.allocate(3 << 20, MemoryUse::Activations);
  try {
    memory.allocate(size_t{1} << 55, MemoryUse::Activations);
    FAIL("so much memory there is not");
  } catch (const Error& error) {
    CHECK(error.exit_code() == 5);
    CHECK_THAT(error.what(),
               Catch::Contains("activations") && Catch::Contains("3.0 MiB now") && Catch::Contains("a smaller batch"));
  }
  memory.free(some);
}
