// Queues on a GPU: captured and replayed as CUDA graphs, events, branches; what a capture refuses.
#include "kernels/device/queue.h"

#include <numeric>

#include "kernels/activation.h"
#include "kernels/device/host_memory.h"
#include "kernels/device/memory.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tests/support/scoped.h"

using namespace fovea;
using Catch::Contains;
using test::Scoped;

namespace {

// n values on the device; doubling is adding them to themselves.
struct Values {
  Queue& queue;
  Allocator& memory;
  int64_t n;
  float* data;
  Values(Queue& q, Allocator& m, int64_t count)
      : queue(q), memory(m), n(count), data(static_cast<float*>(m.allocate(count * 4, MemoryUse::Data))) {
    set(1.f);
  }
  ~Values() { memory.free(data); }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  void set(float value) const {
    const std::vector<float> host(static_cast<size_t>(n), value);
    queue.copy(data, host.data(), host.size() * sizeof(float));
  }
  void twice() const { kernels::add_into(queue, n, data, data); }
  std::vector<float> host() const {
    std::vector<float> values(static_cast<size_t>(n));
    queue.copy(values.data(), data, values.size() * sizeof(float));
    queue.synchronize("the test");
    return values;
  }
};

}  // namespace

TEST_CASE("standin: a launch is done by the kernel's CPU form, copies go there and back", "[standin]") {
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 1001);
  values.twice();
  CHECK(values.host() == std::vector<float>(1001, 2.f));
}

TEST_CASE("standin: replay of a captured graph equals eager work, and its nodes are counted", "[standin][replay]") {
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 5000);
  const Recording recording = queue.record([&] {
    values.twice();
    values.twice();
  });
  CHECK(values.host()[0] == 1);  // captured, not done
  CHECK(recording.size() == 2);
  recording.replay();
  recording.replay();
  CHECK(values.host() == std::vector<float>(5000, 16.f));
}

TEST_CASE("standin: a captured step refuses to wait on the host, by name", "[standin][replay]") {
  Queue queue(DeviceKind::Cuda);
  Event event(DeviceKind::Cuda);
  event.record(queue);
  CHECK_THROWS_WITH(queue.record([&] { queue.synchronize("reading the loss"); }), Contains("reading the loss"));
  CHECK_THROWS_WITH(queue.record([&] { event.synchronize("reading the norm"); }), Contains("reading the norm"));
  std::vector<float> pageable(8);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 8);
  CHECK_THROWS_WITH(queue.record([&] { queue.copy(pageable.data(), values.data, 32); }), Contains("cudaMemcpyAsync"));
  values.twice();  // and the queue is good for other work
  CHECK(values.host()[7] == 2);
}

TEST_CASE("standin: a value is read a step late through pinned memory, while the queue goes on", "[standin][replay]") {
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 16);
  const HostBuffer<float> host(DeviceKind::Cuda, 16);
  Event read(DeviceKind::Cuda);
  const Recording recording = queue.record([&] {
    values.twice();
    queue.copy(host.data(), values.data, host.bytes());
  });
  for (int step = 0; step < 4; ++step) {
    recording.replay();
    read.record(queue);
    read.synchronize("the loss of a step");
    CHECK(host[3] == static_cast<float>(2 << step));
  }
}

TEST_CASE("standin: a recording allocates nothing in its capture, and keeps its memory", "[standin][replay]") {
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 1 << 20);
  standin::reset_report();
  const Recording recording = queue.record([&] {
    const Values inside(queue, memory, 0);
    void* more = memory.allocate(7 << 20, MemoryUse::Activations);
    queue.fill_zero(more, 7 << 20);
    queue.copy(more, values.data, 4 << 20);
    kernels::add_into(queue, 1 << 20, static_cast<float*>(more), values.data);
    memory.free(more);
  });
  CHECK(standin::report().allocations_in_capture == 0);
  CHECK(standin::report().waits_in_capture == 0);
  void* eager = memory.allocate(7 << 20, MemoryUse::Data);
  queue.fill_zero(eager, 7 << 20);
  recording.replay();
  std::vector<float> seen((7 << 20) / 4);
  queue.copy(seen.data(), eager, 7 << 20);
  queue.synchronize("the test");
  CHECK((seen == std::vector<float>(seen.size(), 0.f)));
  CHECK(values.host()[0] == 2);
  memory.free(eager);
}

TEST_CASE("standin: a workspace that grows leaves those that recordings use", "[standin][replay]") {
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 1000);
  const auto through_workspace = [&](size_t bytes) {
    queue.with_workspace(bytes, [&](void* workspace) {
      queue.copy(workspace, values.data, 4000);
      kernels::add_into(queue, 1000, static_cast<const float*>(workspace), values.data);
    });
  };
  const Recording recording = queue.record([&] { through_workspace(4000); });
  through_workspace(64 << 20);
  CHECK(values.host()[0] == 2);
  recording.replay();  // a freed workspace may not be touched: the program would end here
  CHECK(values.host()[0] == 4);
}

TEST_CASE("standin: branches of a fork join, eagerly and in a graph", "[standin][replay]") {
  const bool adverse = GENERATE(false, true);
  const Scoped order(standin::set_adverse_order, adverse);  // a wait left out shows there
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values a(queue, memory, 100), b(queue, memory, 100), c(queue, memory, 100);
  const auto work = [&] {
    a.twice();
    queue.fork(3, [&](int branch) {
      const Values& own = branch == 0 ? a : branch == 1 ? b : c;
      own.twice();
    });
    kernels::add_into(queue, 100, b.data, a.data);
    kernels::add_into(queue, 100, c.data, a.data);
  };
  work();
  CHECK(a.host()[0] == 8);  // 1·2·2 + 2 + 2
  const Recording recording = queue.record(work);
  recording.replay();
  CHECK(a.host()[0] == 40);  // 8·2·2 + 4 + 4
}

TEST_CASE("standin: one queue waits for another's event", "[standin]") {
  const Scoped order(standin::set_adverse_order, true);  // a wait left out shows there
  Queue first(DeviceKind::Cuda), second(DeviceKind::Cuda);
  Allocator& memory = first.memory();
  const Values values(first, memory, 10);
  Event done(DeviceKind::Cuda);
  values.twice();
  done.record(first);
  second.wait(done);
  kernels::add_into(second, 10, values.data, values.data);
  second.synchronize("the test");
  CHECK(values.host()[0] == 4);
}

TEST_CASE("standin: a profile of the GPU's work is measured by events", "[standin]") {
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 1 << 20);
  QueueProfile profile;
  queue.set_profile(&profile);
  values.twice();
  values.twice();
  queue.set_profile(nullptr);
  REQUIRE(profile.entries.size() == 1);
  CHECK(profile.entries.begin()->second.calls == 2);
  CHECK(profile.entries.begin()->second.seconds > 0);
}

TEST_CASE("standin: a recording with times tells what each of its calls took in the last replay, by layer",
          "[standin][replay]") {
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 1 << 20);
  const std::string name = "a layer";
  const auto body = [&] {
    values.twice();
    const Queue::Layer layer(queue, name);
    values.twice();
    values.twice();
  };
  queue.warm_up(body);
  const Recording recording = queue.record(body, {.times = true});
  QueueProfile profile;
  for (int replays = 1; replays <= 2; ++replays) {
    recording.replay();
    recording.add_times(profile);
    REQUIRE(profile.entries.size() == 2);
    const auto& [outside, without_layer] = *profile.entries.begin();
    const auto& [inside, of_layer] = *profile.entries.rbegin();
    CHECK(outside.layer.empty());
    CHECK(inside.layer == name);
    CHECK(inside.name == outside.name);
    CHECK(without_layer.calls == replays);
    CHECK(of_layer.calls == 2 * replays);
    CHECK(without_layer.seconds > 0);
    CHECK(of_layer.seconds > 0);
  }
  CHECK(values.host()[0] == 512);  // three runs of the body: nine doublings of 1
}

// Another rank's answers, one a question: how its attempt went.
TEST_CASE("standin: a body with collectives is recorded as often as the rank that needs most, or by none",
          "[standin][replay]") {
  using enum RecordOutcome;
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  const Values values(queue, memory, 100);
  int calls = 0;
  const auto record = [&](const std::vector<RecordOutcome>& elsewhere) {
    size_t questions = 0;
    calls = 0;
    const auto worst = [&](RecordOutcome here) { return std::max(here, elsewhere.at(questions++)); };
    const auto body = [&] {
      ++calls;
      values.twice();
    };
    const Recording recording = queue.record(body, {.worst_of_ranks = worst});
    CHECK(questions == elsewhere.size());
    return recording;
  };
  values.twice();
  record({Done, Done, Done}).replay();
  CHECK(calls == 2);
  record({Grown, Done, Done, Done}).replay();
  CHECK(calls == 3);
  record({Done, Grown, Done, Done, Done}).replay();  // its last attempt failed: all begin again
  CHECK(calls == 4);
  for (const auto& elsewhere : {std::vector{OutOfMemory}, {Done, OutOfMemory}, {Done, Done, OutOfMemory}}) {
    CHECK_THROWS_WITH(record(elsewhere), Contains("another rank has none left for a recording"));
    CHECK(queue.recording_count() == 0);
    CHECK(standin::report().graphs == 0);
  }
  values.twice();
  CHECK(values.host()[0] == 32);  // all but what was given up
}

TEST_CASE("standin: copies out of bounds and into freed memory are refused", "[standin][fault]") {
  Queue queue(DeviceKind::Cuda);
  void* memory = nullptr;
  REQUIRE(cudaMalloc(&memory, 1000) == cudaSuccess);
  std::vector<char> host(2000);
  CHECK_NOTHROW(queue.copy(memory, host.data(), 1000));
  CHECK_THROWS_WITH(queue.copy(memory, host.data(), 1001), Contains("of 1001 bytes") && Contains("cuda_gpu.cpp"));
  CHECK_THROWS_WITH(queue.fill_zero(static_cast<char*>(memory) + 1, 1000), Contains("cudaMemsetAsync"));
  REQUIRE(cudaFree(memory) == cudaSuccess);
  CHECK_THROWS_WITH(queue.copy(memory, host.data(), 8), Contains("cudaErrorInvalidValue"));
  CHECK(cudaFree(memory) == cudaErrorInvalidValue);
  cudaGetLastError();
}
