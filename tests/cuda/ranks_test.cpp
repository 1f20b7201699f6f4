// Trainings of several ranks on the GPUs of the stand-in, over the stand-in for NCCL: the program as it ships, loading
// the library as it loads NCCL.
#if defined(FOVEA_STANDIN_NCCL)
#include "tests/cuda/program.h"
#include "tests/support/catch.h"
#include "tests/support/training_folder.h"
#include "tests/support/training_ranks.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

const Arguments kCuda{"--device", "cuda"};
// One shape, so that all steps but the first are recorded and replayed; without end.
const Arguments kEndless{"train.steps=100000", "input.short_side=[64]", "input.long_side=96"};

// How the shell calls the program on the stand-in. `environment`: words NAME=VALUE.
std::string standin_call(const std::string& environment = "") {
  return fmt::format(
      "exec env FOVEA_NCCL={} FOVEA_STANDIN_DEVICES=3 FOVEA_STANDIN_ORDER=concurrent {} {} "
      "\"$@\"",
      FOVEA_STANDIN_NCCL, environment, FOVEA_STANDIN_BINARY);
}

TcpRanks::Each on_gpus(const Arguments& arguments, const std::function<std::string(int)>& environment = {}) {
  return {[arguments](int) { return arguments; },
          [environment](int rank) { return standin_call(environment ? environment(rank) : ""); }};
}

// Of rank 1 alone.
std::function<std::string(int)> on_rank_1(const std::string& words) {
  return [words](int rank) { return rank == 1 ? words : ""; };
}

Arguments with_timeout(Arguments arguments, const std::string& seconds) {
  *(std::find(arguments.begin(), arguments.end(), "--rank-timeout") + 1) = seconds;
  return arguments;
}

// All ended with `code`, with one line on stderr that has these words.
void check_ended(const std::vector<ProcessResult>& results, int code, const std::string& words) {
  for (size_t r = 0; r < results.size(); ++r) {
    CAPTURE(r, results[r].err);
    CHECK(results[r].exit_code == code);
    CHECK_THAT(results[r].err, Contains(words));
    CHECK(std::count(results[r].err.begin(), results[r].err.end(), '\n') == 1);
  }
}

}  // namespace

TEST_CASE("standin: ranks over NCCL take the steps of one rank, and the CPU's, recorded and eager with the same bits",
          "[standin][rank][replay]") {
  const RankTrainings trainings;
  const auto alone = run_fovea(trainings.arguments("one", {}, kCuda), kOneThread + standin_call());
  CAPTURE(alone.err);
  REQUIRE(alone.exit_code == 0);
  const auto one = curve(trainings.run("one"));
  CHECK(one.front().loss != one.back().loss);
  const int size = GENERATE(2, 3);
  CAPTURE(size);
  require_success(TcpRanks(size, trainings.arguments("cpu")));
  CHECK(disagreement_of_curves(one, curve(trainings.run("cpu"))) == "");
  for (const std::string order : {"concurrent", "adverse", "submitted"})
    for (const std::string record : {"true", "false"}) {
      const std::string name = order + "_" + record, report = trainings.run(name + ".json").string();
      CAPTURE(name);
      require_success(TcpRanks(
          size, on_gpus(trainings.arguments(name, {"train.record=" + record}, kCuda), [&](int rank) {
            return fmt::format("FOVEA_STANDIN_ORDER={}{}", order, rank == 0 ? " FOVEA_STANDIN_REPORT=" + report : "");
          })));
      CHECK(disagreement_of_curves(one, curve(trainings.run(name))) == "");
      check_same_tensors(trainings.run("concurrent_true") / kLast, trainings.run(name) / kLast);
      const std::string seen = read_text(report);
      CHECK(reported(seen, "ncclAllReduce") > 100);
      CHECK((reported(seen, "replays") > 0) == (record == "true"));
      for (const char* nothing : {"allocations_in_capture", "waits_in_capture", "memory_at_exit", "streams_at_exit",
                                  "events_at_exit", "graphs_at_exit"})
        CHECK(reported(seen, nothing) == 0);
    }
}

TEST_CASE("standin: ranks in bf16 take the steps of one rank, recorded and eager with the same bits",
          "[standin][rank][replay]") {
  RankTrainings trainings;
  trainings.precision = "bf16";
  // Without norms that look at the batch an image's outputs have the same bits in any part of it: the first loss
  // differs by the order of its sum alone.
  const std::string norm = GENERATE("batch", "frozen_batch");
  CAPTURE(norm);
  const Arguments settings{fmt::format("model.backbone.norm=\"{}\"", norm)};
  const auto alone = run_fovea(trainings.arguments("one", settings, kCuda), kOneThread + standin_call());
  CAPTURE(alone.err);
  REQUIRE(alone.exit_code == 0);
  const auto one = curve(trainings.run("one"));
  CHECK(one.front().loss != one.back().loss);
  for (const std::string record : {"true", "false"}) {
    require_success(TcpRanks(
        2, on_gpus(trainings.arguments("record_" + record, joined(settings, {"train.record=" + record}), kCuda))));
    const auto two = curve(trainings.run("record_" + record));
    CHECK(disagreement_of_curves(one, two, kForwardInPartsBf16, kBackwardInPartsBf16) == "");
    if (norm == "frozen_batch") CHECK(two.front().loss == Approx(one.front().loss).epsilon(2 * kForward + 1e-6));
  }
  check_same_tensors(trainings.run("record_true") / kLast, trainings.run("record_false") / kLast);
}

TEST_CASE("standin: where one rank's memory does not suffice for recordings all go on without, with the same bits",
          "[standin][rank][fault]") {
  const RankTrainings trainings;
  // Images of other sizes at each step: new shapes come while there are recordings of others.
  const Arguments settings{"train.steps=14", "input.short_side=[64, 224, 96, 160, 128]", "input.long_side=320"};
  const auto peak_of = [&](const std::string& name, const std::string& record) {
    const std::string report = trainings.run(name + ".json").string();
    require_success(TcpRanks(2, on_gpus(trainings.arguments(name, joined(settings, {"train.record=" + record}), kCuda),
                                        on_rank_1("FOVEA_STANDIN_REPORT=" + report))));
    return reported(read_text(report), "peak_memory");
  };
  const int64_t recorded = peak_of("recorded", "true"), eager = peak_of("eager", "false");
  REQUIRE(eager < recorded);
  constexpr int kLimits = 4;
  for (int i = 0; i < kLimits; ++i) {
    const int64_t limit = eager + (recorded - 1 - eager) * i / (kLimits - 1);
    const std::string name = fmt::format("tight{}", i);
    const auto results = TcpRanks(2, on_gpus(trainings.arguments(name, settings, kCuda),
                                             on_rank_1(fmt::format("FOVEA_STANDIN_MEMORY={}", limit))))
                             .wait();
    for (const ProcessResult& result : results) {
      CAPTURE(limit, eager, recorded, result.err);
      REQUIRE(result.exit_code == 0);
      CHECK_THAT(result.err, Contains("GPU memory is too small for recorded steps"));
      CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    }
    check_same_tensors(trainings.run("eager") / kLast, trainings.run(name) / kLast);
  }
}

TEST_CASE("standin: ranks over NCCL, of which one has only background images, take the same steps", "[standin][rank]") {
  const RankTrainings trainings(
      [](size_t image, const std::string& annotations) { return image == 0 ? annotations : std::string(); });
  const Arguments settings{"train.batch=2", "train.steps=6"};  // one image a rank: five of six are background
  require_success(TcpRanks(2, on_gpus(trainings.arguments("run", settings, kCuda))));
  REQUIRE(run_fovea(trainings.arguments("one", settings, kCuda), kOneThread + standin_call()).exit_code == 0);
  CHECK(disagreement_of_curves(curve(trainings.run("one")), curve(trainings.run("run"))) == "");
}

TEST_CASE("standin: resume of ranks over NCCL is bit-identical after Ctrl-C on one of them",
          "[standin][rank][resume]") {
  const RankTrainings trainings;
  const Arguments longer{"train.steps=60", "train.checkpoint_every=15", "train.log_every=15"};
  require_success(TcpRanks(2, on_gpus(trainings.arguments("whole", longer, kCuda))));
  TcpRanks stopped(2, on_gpus(trainings.arguments("stopped", longer, kCuda)));
  REQUIRE(wait_for(trainings.run("stopped") / kLast));
  stopped[1].signal(SIGINT);
  const auto results = stopped.wait();
  CAPTURE(results[0].err, results[1].err);
  CHECK(results[0].exit_code == 130);
  CHECK(results[1].exit_code == 130);
  CHECK_THAT(results[0].err, Contains("stopped after step") && Contains("--resume"));
  CHECK(results[1].err.empty());
  const Arguments resumed{"--device", "cuda", "--resume"};
  require_success(TcpRanks(2, on_gpus(trainings.arguments("stopped", longer, resumed))));
  check_same_tensors(trainings.run("whole") / kLast, trainings.run("stopped") / kLast);
}

TEST_CASE("standin: ranks that mpirun started sum over NCCL too", "[standin][rank]") {
  if (!has_mpi()) SKIP_TEST("the build has no MPI");
  const RankTrainings trainings;
  require_success(TcpRanks(2, on_gpus(trainings.arguments("tcp", {}, kCuda))));
  const auto result = run_fovea(trainings.arguments("mpi", {}, kCuda), mpirun(2, trainings.run("pid"), standin_call()));
  CAPTURE(result.out, result.err);
  REQUIRE(result.exit_code == 0);
  check_same_tensors(trainings.run("tcp") / kLast, trainings.run("mpi") / kLast);
}

TEST_CASE("standin: fault: a killed rank ends the others, which its GPU keeps waiting, with its name",
          "[standin][rank][fault]") {
  const RankTrainings trainings;
  const std::string order = GENERATE("concurrent", "submitted");
  const bool waiting = GENERATE(true, false);  // for rank 1's part in a sum, or whatever they do at that moment
  CAPTURE(order, waiting);
  const auto come = [&](int rank) { return trainings.run(fmt::format("come.{}", rank)); };  // to the 1000th sum
  TcpRanks ranks(3, on_gpus(trainings.arguments("run", kEndless, kCuda), [&](int rank) {
                   return fmt::format("FOVEA_STANDIN_ORDER={} FOVEA_STANDIN_NCCL={}:1000:{}", order,
                                      rank == 1 && waiting ? "stall" : "pass", come(rank).string());
                 }));
  REQUIRE(wait_for(trainings.run("run") / kLast));
  for (int rank = 0; waiting && rank < 3; ++rank) REQUIRE(wait_for(come(rank)));
  ranks[1].signal(SIGKILL);
  const auto start = std::chrono::steady_clock::now();
  auto results = ranks.wait();
  CHECK(seconds_since(start) < 20);  // the time-out is 60
  CHECK(results[1].exit_code == 128 + SIGKILL);
  results.erase(results.begin() + 1);
  check_ended(results, 1, "ended");
  for (const ProcessResult& result : results) CHECK_THAT(result.err, Contains("rank 1") || Contains("ranks"));
  CHECK_NOTHROW(SafetensorsFile(trainings.run("run") / kLast));
}

TEST_CASE("standin: fault: a sum over the ranks that stands still on a GPU is noticed from inside and named",
          "[standin][rank][fault]") {
  const RankTrainings trainings;
  const auto start = std::chrono::steady_clock::now();
  const auto results = TcpRanks(2, on_gpus(with_timeout(trainings.arguments("run", kEndless, kCuda), "6"),
                                           on_rank_1("FOVEA_STANDIN_NCCL=stall:1000")))
                           .wait();
  CHECK(seconds_since(start) < 60);
  check_ended(results, 1, "has made no progress on the GPU for 6 s");
  for (const ProcessResult& result : results) CHECK_THAT(result.err, Contains(": step "));
  CHECK_NOTHROW(SafetensorsFile(trainings.run("run") / kLast));
}

TEST_CASE("standin: fault: a GPU that hangs for good does not keep its rank's process", "[standin][rank][fault]") {
  const RankTrainings trainings;
  const auto results = TcpRanks(2, on_gpus(with_timeout(trainings.arguments("run", kEndless, kCuda), "6"),
                                           on_rank_1("FOVEA_STANDIN_NCCL=hang:1000")))
                           .wait();
  for (const ProcessResult& result : results) {
    CAPTURE(result.err);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains("has made no progress on the GPU for 6 s") || Contains("ended"));
  }
}

TEST_CASE("standin: fault: an error of NCCL's own ends all ranks with NCCL's words", "[standin][rank][fault]") {
  const RankTrainings trainings;
  const auto start = std::chrono::steady_clock::now();
  const auto results =
      TcpRanks(2, on_gpus(trainings.arguments("run", kEndless, kCuda), on_rank_1("FOVEA_STANDIN_NCCL=fail:1000")))
          .wait();
  CHECK(seconds_since(start) < 50);  // the time-out is 60
  check_ended(results, 1, "NCCL: remote error (the connection to another rank broke)");
}

TEST_CASE("standin: fault: a rank whose host stands still ends the others by the time-out", "[standin][rank][fault]") {
  const RankTrainings trainings;
  TcpRanks ranks(2, on_gpus(with_timeout(trainings.arguments("run", kEndless, kCuda), "6")));
  REQUIRE(wait_for(trainings.run("run") / kLast));
  ranks[1].signal(SIGSTOP);
  for (int i = 0; i < 3000 && ranks[0].running(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(ranks[0].running());
  ranks[1].signal(SIGCONT);
  const auto results = ranks.wait();
  CAPTURE(results[0].err, results[1].err);
  CHECK(results[0].exit_code == 1);
  CHECK(results[1].exit_code == 1);
  CHECK_THAT(results[0].err,
             Contains("rank 1 did not answer within 6 s") || Contains("has made no progress on the GPU"));
  CHECK_THAT(results[1].err, Contains("rank 0"));
}

TEST_CASE("standin: fault: an error on one GPU in the middle of a step ends all ranks with its words",
          "[standin][rank][fault]") {
  const RankTrainings trainings;
  const Arguments settings{"train.steps=100000", "train.record=false"};
  const auto start = std::chrono::steady_clock::now();
  const auto results = TcpRanks(3, on_gpus(trainings.arguments("run", settings, kCuda),
                                           on_rank_1("FOVEA_STANDIN_FAIL=cudaLaunchKernel:3000:700")))
                           .wait();
  CHECK(seconds_since(start) < 50);  // the time-out is 60
  for (const ProcessResult& result : results) {
    CAPTURE(result.err);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains("rank 1: ") && Contains("cudaErrorIllegalAddress"));
  }
}

TEST_CASE("standin: fault: a step that is not finite ends all ranks with code 4 and the images of each",
          "[standin][rank][fault]") {
  const RankTrainings trainings;
  const auto results = TcpRanks(2, on_gpus(trainings.arguments("run", {"train.schedule.base=1e30"}, kCuda))).wait();
  CAPTURE(results[0].err, results[1].err);
  CHECK(results[0].exit_code == 4);
  CHECK(results[1].exit_code == 4);
  CHECK_THAT(results[0].err, Contains("not finite") && Contains("rank 0: loss") && Contains("rank 1: loss"));
}

TEST_CASE("standin: fault: ranks on one GPU are refused, and a library that is not there is named",
          "[standin][rank][fault]") {
  const RankTrainings trainings;
  const auto shared =
      TcpRanks(2, on_gpus(trainings.arguments("a", {}, kCuda), [](int) { return "FOVEA_STANDIN_DEVICES=1"; })).wait();
  CHECK(shared[0].exit_code == 2);
  CHECK(shared[1].exit_code == 2);
  CHECK_THAT(shared[0].err, Contains("ranks 0, 1 use the same GPU"));
  CHECK(shared[1].err.empty());
  const auto missing =
      TcpRanks(2, on_gpus(trainings.arguments("b", {}, kCuda), [](int) { return "FOVEA_NCCL=/nowhere/libnccl.so.2"; }))
          .wait();
  check_ended(missing, 1, "NCCL 2 (libnccl.so.2) was not found: FOVEA_NCCL names /nowhere/libnccl.so.2");
}
#endif
