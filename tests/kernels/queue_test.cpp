#include "kernels/device/queue.h"

#include <vector>

#include "kernels/launch/launch.h"
#include "tests/support/catch.h"

using namespace fovea;

namespace {

struct CountVisits {
  int* visits;
  FOVEA_HD void operator()(int64_t i) const { visits[i] += 1; }
};

}  // namespace

TEST_CASE("work with a workspace runs in its place in a recording", "[queue]") {
  Queue queue;
  std::vector<int> visits(8, 1);
  const Recording recording = queue.record([&] {
    queue.with_workspace(64, [&queue, v = visits.data()](void* workspace) {
      CHECK(reinterpret_cast<uintptr_t>(workspace) % 64 == 0);
      for_each(queue, "count", 8, CountVisits{v});
    });
    queue.fill_zero(visits.data(), 4);
  });
  CHECK(visits[0] == 1);
  recording.replay();
  CHECK(visits[0] == 0);
  CHECK(visits[7] == 2);
}

TEST_CASE("a recording replays what eager execution does, and refuses to wait on the host", "[queue]") {
  Queue queue;
  std::vector<int> visits(5000, 0);
  const Recording recording = queue.record([&] {
    for_each(queue, "count", 5000, CountVisits{visits.data()});
    CHECK_THROWS_WITH(queue.synchronize("reading the loss"), Catch::Contains("reading the loss"));
  });
  CHECK(visits[0] == 0);
  recording.replay();
  recording.replay();
  for (const int v : visits) REQUIRE(v == 2);
}
