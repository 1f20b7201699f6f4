// Trainings of several ranks, as users start them: by mpirun, and by hand with torchrun's environment.
#include "tools/train/ranks.h"
#include "engine/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/training_ranks.h"
#include "tools/eval/boxes.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

TEST_CASE("ranks: the loss curve is that of one rank with the whole batch, with synchronized batch norm", "[rank]") {
  const RankTrainings trainings;
  REQUIRE(run_fovea(trainings.arguments("one"), kAlone).exit_code == 0);
  const auto one = curve(trainings.run("one"));
  CHECK(one.front().loss != one.back().loss);
  const int size = GENERATE(2, 3);
  CAPTURE(size);
  require_success(TcpRanks(size, trainings.arguments("tcp")));
  CHECK(disagreement_of_curves(one, curve(trainings.run("tcp"))) == "");
}

TEST_CASE("ranks: with mpirun they have the bits of ranks that were started by hand", "[rank]") {
  if (!has_mpi()) SKIP_TEST("the build has no MPI");
  const RankTrainings trainings;
  const int size = GENERATE(2, 3);
  CAPTURE(size);
  require_success(TcpRanks(size, trainings.arguments("tcp")));
  const auto result = run_fovea(trainings.arguments("mpi"), mpirun(size, trainings.run("pid")));
  CAPTURE(result.out, result.err);
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.out, Contains(fmt::format("({} ranks x {})", size, 6 / size)));
  check_same_tensors(trainings.run("tcp") / kLast,
                     trainings.run("mpi") / kLast);  // sums in one order, whatever carries them
  CHECK(disagreement_of_curves(curve(trainings.run("tcp")), curve(trainings.run("mpi"))) == "");
}

TEST_CASE("ranks: resume is bit-identical after Ctrl-C on one of them, which saves once and ends all with 130",
          "[rank][resume]") {
  const RankTrainings trainings;
  const Arguments longer{"train.steps=120", "train.checkpoint_every=30", "train.log_every=30"};
  require_success(TcpRanks(2, trainings.arguments("whole", longer)));
  TcpRanks stopped(2, trainings.arguments("stopped", longer));
  REQUIRE(wait_for(trainings.run("stopped") / kLast));
  stopped[1].signal(SIGINT);
  const auto results = stopped.wait();
  CAPTURE(results[0].out, results[0].err, results[1].err);
  CHECK(results[0].exit_code == 130);
  CHECK(results[1].exit_code == 130);
  CHECK_THAT(results[0].err, Contains("stopped after step") && Contains("--resume"));
  CHECK(results[1].err.empty());
  const int64_t at = std::stoll(results[0].err.substr(results[0].err.find("after step ") + 11));
  CHECK((at >= 30 && at < 120));
  require_success(TcpRanks(2, trainings.arguments("stopped", longer, {"--resume"})));
  check_same_tensors(trainings.run("whole") / kLast, trainings.run("stopped") / kLast);
}

TEST_CASE("ranks: a stop that mpirun hands on saves the run within the step, however long it takes", "[rank][resume]") {
  if (!has_mpi()) SKIP_TEST("the build has no MPI");
  const RankTrainings trainings;
  const Arguments longer{"train.steps=12",       "train.checkpoint_every=100", "input.short_side=[1600]",
                         "input.long_side=2400", "input.cache_mb=0",           "input.prefetch=2"};
  // Each of six images is opened twice when the dataset is read. When rank 0 then reads its fourth batch of three,
  // during the third step, mpirun gets the signal. It leaves its ranks two seconds.
  const std::string call = fmt::format(
      "[ $OMPI_COMM_WORLD_RANK != 0 ] || export LD_PRELOAD={} SIGNAL_PATH=/data/train/ SIGNAL_COUNT=22 "
      "SIGNAL_NUMBER={} SIGNAL_PARENT=1; {}",
      FOVEA_SIGNALLER, SIGTERM, kCall);
  const auto stopped = run_fovea(trainings.arguments("mpi", longer), mpirun(2, trainings.run("pid"), call));
  CAPTURE(stopped.out, stopped.err);
  CHECK(stopped.exit_code != 0);
  CHECK_THAT(stopped.err, Contains("fovea: stopping: ") && Contains("saved the run"));
  const SafetensorsFile saved(trainings.run("mpi") / kLast);
  const auto steps = curve(trainings.run("mpi"));
  CHECK((!steps.empty() && steps.size() < 12));
  CHECK_THAT(saved.metadata().at("fovea.state"), Contains(fmt::format("\"step\":{},", steps.size())));
}

TEST_CASE("ranks: resume with another number of them goes on with the same images", "[rank][resume]") {
  const RankTrainings trainings;
  REQUIRE(run_fovea(trainings.arguments("one"), kAlone).exit_code == 0);
  require_success(TcpRanks(3, trainings.arguments("changing", {"train.steps=4"})));
  require_success(TcpRanks(2, trainings.arguments("changing", {}, {"--resume", "--allow-config-change"})));
  CHECK(disagreement_of_curves(curve(trainings.run("one")), curve(trainings.run("changing"))) == "");
}

TEST_CASE("ranks: one with only background images takes the same steps", "[rank]") {
  const RankTrainings trainings(
      [](size_t image, const std::string& annotations) { return image == 0 ? annotations : std::string(); });
  const Arguments settings{"train.batch=2", "train.steps=6"};  // one image a rank: five of six are background
  require_success(TcpRanks(2, trainings.arguments("run", settings)));
  REQUIRE(run_fovea(trainings.arguments("one", settings), kAlone).exit_code == 0);
  CHECK(disagreement_of_curves(curve(trainings.run("one")), curve(trainings.run("run"))) == "");
}

TEST_CASE("fault: a killed rank ends the others at once with its name and a non-zero code", "[rank][fault]") {
  const RankTrainings trainings;
  TcpRanks ranks(3, trainings.arguments("run", {"train.steps=100000"}));
  REQUIRE(wait_for(trainings.run("run") / kLast));
  ranks[1].signal(SIGKILL);
  const auto start = std::chrono::steady_clock::now();
  const auto results = ranks.wait();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));  // the time-out is 60
  CHECK(results[1].exit_code == 128 + SIGKILL);
  for (const size_t r : {0, 2}) {
    CAPTURE(results[r].err);
    CHECK(results[r].exit_code == 1);
    CHECK_THAT(results[r].err, Contains("rank") && Contains("1") && Contains("ended"));
  }
  CHECK_NOTHROW(SafetensorsFile(trainings.run("run") / kLast));
}

TEST_CASE("fault: ranks that differ in configuration, data or batch are refused with the difference", "[rank][fault]") {
  const RankTrainings trainings;
  const auto refused = [&](int code, const std::function<Arguments(int)>& arguments, const std::string& words) {
    const auto results = TcpRanks(2, arguments).wait();
    CAPTURE(results[0].err, results[1].err);
    CHECK(results[0].exit_code == code);
    CHECK(results[1].exit_code == code);
    CHECK_THAT(results[0].err, Contains(words));
    CHECK(results[1].err.empty());
  };
  refused(
      2, [&](int rank) { return trainings.arguments("a", {fmt::format("train.optimizer.clip_norm={}.0", 5 + rank)}); },
      "train.optimizer.clip_norm: 5.0 -> 6.0");
  refused(
      2, [&](int) { return trainings.arguments("b", {"train.batch=5"}); }, "5 / 2 = 2.50; set train.batch to 4 or 6");
  const RankTrainings other([](size_t image, const std::string& annotations) {
    std::string changed = annotations;
    return image == 3 ? changed.replace(changed.find("\"bbox\":["), 8, "\"bbox\":[1") : changed;
  });
  refused(
      3, [&](int rank) { return rank == 1 ? other.arguments("c") : trainings.arguments("c"); },
      "the train data of rank 1 differ");
}

TEST_CASE("fault: an error on one rank ends all with its code and its words", "[rank][fault]") {
  const RankTrainings trainings, broken;
  const Dataset data = load_dataset(broken.data, "train");
  write_text(broken.data / "train" / data.samples[2].file_name, "no image");
  const auto results =
      TcpRanks(2, [&](int rank) {
        return rank == 1 ? broken.arguments("run", {}, {"--bad-images", "error"}) : trainings.arguments("run");
      }).wait();
  for (const ProcessResult& result : results) {
    CAPTURE(result.err);
    CHECK(result.exit_code == 3);
    CHECK_THAT(result.err, Contains("rank 1: ") && Contains(data.samples[2].file_name));
  }
}

TEST_CASE("fault: a step that is not finite ends all ranks with code 4 and the images of each", "[rank][fault]") {
  const RankTrainings trainings;
  const auto results = TcpRanks(2, trainings.arguments("run", {"train.schedule.base=1e30"})).wait();
  CAPTURE(results[0].err, results[1].err);
  CHECK(results[0].exit_code == 4);
  CHECK(results[1].exit_code == 4);
  CHECK_THAT(results[0].err, Contains("not finite") && Contains("rank 0: loss") && Contains("rank 1: loss"));
}

TEST_CASE("fault: with mpirun a killed rank ends all, and Ctrl-C on one saves and ends all with 130", "[rank][fault]") {
  if (!has_mpi()) SKIP_TEST("the build has no MPI");
  const RankTrainings trainings;
  const auto send = [&](const std::string& run, int rank, int number) {
    REQUIRE(wait_for(trainings.run(run) / kLast));
    REQUIRE(::kill(std::stoi(read_text(trainings.run(fmt::format("{}.pid.{}", run, rank)))), number) == 0);
  };
  const auto start = [&](const std::string& run) {
    return std::make_unique<Process>(trainings.arguments(run, {"train.steps=100000"}),
                                     mpirun(2, trainings.run(run + ".pid")));
  };
  const auto killed = start("killed");
  send("killed", 1, SIGKILL);
  CHECK(killed->wait().exit_code != 0);
  const auto stopped = start("stopped");
  send("stopped", 1, SIGINT);
  const auto result = stopped->wait();
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 130);
  CHECK_THAT(result.err, Contains("stopped after step") && Contains("--resume"));
}

TEST_CASE("ranks take the images of one rank's batches in order, each once an epoch", "[rank]") {
  const RankTrainings trainings;
  const Dataset data = load_dataset(trainings.data, "train"), val = load_dataset(trainings.data, "val");
  const InputConfig input{.short_side = {64}, .long_side = 96, .workers = 1};
  BadFiles bad_files(100);
  const auto images = [&](const Dataset& dataset, int batch, DataShare share, bool training) {
    Loader loader(dataset, input, {.batch = batch, .share = share, .training = training, .seed = 9, .batches = 4},
                  bad_files);
    std::vector<std::vector<std::pair<int64_t, bool>>> batches;
    for (int i = 0; i < 4; ++i) {
      batches.emplace_back();
      for (const LoadedImage& image : loader.next()) batches.back().emplace_back(image.sample->id, image.flip);
    }
    return batches;
  };
  const auto whole = images(data, 6, {}, true);
  for (const int ranks : {2, 3})
    for (size_t step = 0; step < whole.size(); ++step) {
      std::vector<std::pair<int64_t, bool>> joined;
      for (int rank = 0; rank < ranks; ++rank) {
        const auto part = images(data, 6 / ranks, {rank, ranks}, true)[step];
        joined.insert(joined.end(), part.begin(), part.end());
      }
      CHECK(joined == whole[step]);
    }
  std::vector<int64_t> seen;  // three validation images over two ranks
  for (int rank = 0; rank < 2; ++rank)
    for (const auto& batch : images(val, 1, {rank, 2}, false))
      for (const auto& [id, flip] : batch) seen.push_back(id);
  CHECK(seen == std::vector<int64_t>{val.samples[0].id, val.samples[2].id, val.samples[1].id});
}

TEST_CASE("ranks gather detections in the dataset's order, and bad files as one list", "[rank]") {
  const RankTrainings trainings;
  const Dataset val = load_dataset(trainings.data, "val");
  std::vector<Detection> all;
  for (size_t i = 0; i < 3; ++i)
    for (const double score : {0.9, 0.5}) all.push_back({val.samples[i].id, 1, 1, 2, 3, 4, score});
  std::vector<std::vector<Detection>> gathered(2);
  std::vector<size_t> bad(2);
  CHECK(run_ranks(2, [&](Communicator& ranks) {
          const auto r = static_cast<size_t>(ranks.rank());
          const std::vector<Detection> own =
              r == 0 ? std::vector<Detection>{all[0], all[1], all[4], all[5]} : std::vector<Detection>{all[2], all[3]};
          gathered[r] = gather_detections(ranks, val, own);
          BadFiles bad_files(1000);
          bad_files.add(fmt::format("{}.jpg", r), "no image");
          bad_files.add("both.jpg", "");
          share_bad_files(ranks, bad_files);
          bad[r] = bad_files.reasons().size();
        }) == nothing_thrown(2));
  for (const auto& detections : gathered) {
    REQUIRE(detections.size() == all.size());
    for (size_t i = 0; i < all.size(); ++i)
      CHECK((detections[i].image_id == all[i].image_id && detections[i].score == all[i].score));
  }
  CHECK(bad == std::vector<size_t>{3, 3});
}
