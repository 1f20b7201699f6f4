// Plans picked by timing, on the tests' runtime, which is told what the timings give: that nothing that goes wrong with
// a candidate ends the program or loses what was timed before.
#include <filesystem>
#include <tuple>

#include "kernels/conv/cuda/cudnn_plans.h"
#include "tests/plans/graph_runtime.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;
using namespace fovea::cudnn;
using cudnn::test::executed_graphs;
using cudnn::test::kTimedRuns;
using cudnn::test::runs_of;
using cudnn::test::seconds_to_come;

namespace {

// In fp32, of which there are few candidates.
const GraphKey kKey{ConvPass::Forward, {1, 6, 5, 8, 16, 3, 3, 1, 1, 1}, DType::F32},
    kOther{ConvPass::BackwardWeight, {1, 6, 5, 8, 16, 3, 3, 1, 1, 1}, DType::F32};

const Device& h200() {
  static const Device device = Device::h200();
  return device;
}

std::string engine_of(const GraphKey& key, int candidate) { return ConvGraph(h200(), key).look(candidate).engine; }

// The candidates that can be built within the workspace: those that are timed.
std::vector<int> timed_candidates(const GraphKey& key) {
  ConvGraph graph(h200(), key);
  std::vector<int> timed;
  for (int i = 0; i < graph.candidates(); ++i)
    if (graph.build(i) && graph.info().workspace <= size_t{256} << 20) timed.push_back(i);
  return timed;
}

struct Tuned : Plans {
  explicit Tuned(const std::string& folder = "") : Plans(h200(), folder, /*times=*/true) { set_autotune(true); }
};

}  // namespace

TEST_CASE("plan: the fastest candidate is taken, whichever it is", "[plans][autotune]") {
  Queue queue;
  const std::vector<int> timed = timed_candidates(kKey);
  REQUIRE(timed.size() > 1);
  for (size_t fastest = 0; fastest < timed.size(); ++fastest) {
    CAPTURE(fastest);
    std::vector<double> seconds(timed.size(), 3e-3);
    seconds[fastest] = 2e-3;
    seconds_to_come = runs_of(seconds);
    Tuned plans;
    const ConvGraph* graph = plans.find(queue, kKey);
    REQUIRE(graph != nullptr);
    CHECK(seconds_to_come.empty());
    CHECK(graph->info().engine == engine_of(kKey, timed[fastest]));
    CHECK(plans.seconds_of(kKey) == 2e-3);
    CHECK(plans.find(queue, kKey) == graph);  // timed once
  }
}

TEST_CASE("plan: a candidate that fails where it is timed is passed over, whichever it is",
          "[plans][autotune][fault]") {
  Queue queue;
  const std::vector<int> timed = timed_candidates(kKey);
  for (size_t failing = 0; failing < timed.size(); ++failing)
    for (const int runs_before : {0, 1}) {  // in its first run, or when it is timed
      CAPTURE(failing, runs_before);
      Tuned plans;
      cudnn::test::runs_until_fault = static_cast<int>(failing) * (1 + kTimedRuns) + runs_before;
      seconds_to_come = runs_of(std::vector<double>(timed.size() - 1, 2e-3));
      seconds_to_come.push_back(2e-3);  // for the run that fails, which takes none
      const ConvGraph* graph = plans.find(queue, kKey);
      REQUIRE(graph != nullptr);
      CHECK(seconds_to_come.size() == 1);
      CHECK(cudnn::test::runs_until_fault < 0);  // there was one
      CHECK(graph->info().engine == engine_of(kKey, timed[failing == 0 ? 1 : 0]));
    }
}

TEST_CASE("plan: each of the first candidates has its time, or why it did not run", "[plans][autotune][fault]") {
  Queue queue;
  const std::vector<int> timed = timed_candidates(kKey);
  const Tuned plans;
  cudnn::test::runs_until_fault = 1 + kTimedRuns;  // the first run of the second
  seconds_to_come = runs_of({3e-3, 2e-3});
  const auto times = plans.time_each(queue, kKey, timed[2] + 1);
  REQUIRE(times.size() == static_cast<size_t>(timed[2]) + 1);
  const auto& [first, second, third] = std::tie(times[timed[0]], times[timed[1]], times[timed[2]]);
  CHECK(first.seconds == 3e-3);
  CHECK(first.failed.empty());
  CHECK(second.seconds == 0);
  CHECK_FALSE(second.failed.empty());
  CHECK(third.seconds == 2e-3);
  CHECK(third.info.engine == engine_of(kKey, timed[2]));
  CHECK_THROWS_WITH(Plans(h200(), "").time_each(queue, kKey, 1), Catch::Contains("timing plans needs a GPU"));
}

TEST_CASE("plan: where every candidate fails the heuristics' plan stays, and is not timed again",
          "[plans][autotune][fault]") {
  Queue queue;
  Tuned plans;
  seconds_to_come.clear();  // every timing fails
  const ConvGraph* graph = plans.find(queue, kKey);
  REQUIRE(graph != nullptr);
  CHECK(graph->info().engine == engine_of(kKey, 0));
  CHECK(plans.seconds_of(kKey) == 0);
  const size_t runs = executed_graphs.size();
  CHECK(plans.find(queue, kKey) == graph);
  CHECK(executed_graphs.size() == runs);
}

TEST_CASE("plan: a candidate that is twice as slow as the best is timed once", "[plans][autotune]") {
  Queue queue;
  const std::vector<int> timed = timed_candidates(kKey);
  Tuned plans;
  seconds_to_come = runs_of({1e-3});
  for (size_t i = 1; i < timed.size(); ++i) seconds_to_come.push_back(2e-3);
  const size_t runs = executed_graphs.size();
  REQUIRE(plans.find(queue, kKey) != nullptr);
  CHECK(seconds_to_come.empty());
  CHECK(executed_graphs.size() == runs + (1 + kTimedRuns) + 2 * (timed.size() - 1));  // the first run loads it
  CHECK(plans.seconds_of(kKey) == 1e-3);
}

TEST_CASE("plan: what was timed is on disk before the next graph is timed", "[plans][autotune][fault]") {
  const fovea::test::TemporaryFolder folder;
  Queue queue;
  Tuned plans(folder.path().string());
  seconds_to_come = runs_of(std::vector<double>(timed_candidates(kKey).size(), 2e-3));
  REQUIRE(plans.find(queue, kKey) != nullptr);
  // As a process that starts after this one was killed: nothing was closed.
  const Plans next(h200(), folder.path().string());
  CHECK(next.seconds_of(kKey) == 2e-3);
  CHECK(next.seconds_of(kOther) == 0);
  seconds_to_come = runs_of(std::vector<double>(timed_candidates(kOther).size(), 3e-3));
  REQUIRE(plans.find(queue, kOther) != nullptr);
  Tuned after(folder.path().string());
  CHECK(after.seconds_of(kKey) == 2e-3);
  CHECK(after.seconds_of(kOther) == 3e-3);
  CHECK(after.find(queue, kKey)->candidates() == 0);  // read back, and not timed again
}
