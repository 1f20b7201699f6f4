// Class weights of the loss: given, or from the counts of a dataset's boxes.
#include "tools/train/class_weights.h"

#include <signal.h>

#include <cmath>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/training_folder.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// `boxes` of each class, and a crowd of class 0.
Dataset dataset(const std::vector<int>& boxes) {
  Dataset data;
  Sample sample{};
  for (size_t c = 0; c < boxes.size(); ++c) {
    data.categories.push_back({static_cast<int64_t>(c), "class" + std::to_string(c)});
    Object object{};
    object.label = static_cast<int>(c);
    sample.objects.insert(sample.objects.end(), boxes[c], object);
  }
  sample.objects.push_back({.crowd = true});
  data.samples.push_back(sample);
  return data;
}

}  // namespace

TEST_CASE("class weights from effective numbers are the paper's, with a mean of 1", "[class_weights]") {
  const std::vector<int> boxes{1000, 10, 0, 1};
  const double beta = 0.99;
  const auto weights = with_class_weights({.effective_number = beta}, dataset(boxes)).class_weights;
  REQUIRE(weights.size() == 4);
  const auto inverse = [&](int n) { return (1 - beta) / (1 - std::pow(beta, n)); };
  const double mean = (inverse(1000) + inverse(10) + inverse(1)) / 3;
  for (const size_t c : {0, 1, 3}) CHECK(weights[c] == Approx(inverse(boxes[c]) / mean).epsilon(1e-12));
  CHECK(weights[2] == 1);  // has no boxes to weigh
}

TEST_CASE("class weights of a beta near 1 are the inverse counts", "[class_weights]") {
  const auto weights = with_class_weights({.effective_number = 1 - 1e-12}, dataset({300, 100})).class_weights;
  CHECK(weights[1] / weights[0] == Approx(3).epsilon(1e-6));
}

TEST_CASE("class weights that are given stay, one for each class", "[class_weights]") {
  CHECK(with_class_weights({}, dataset({1, 2})).class_weights.empty());
  CHECK(with_class_weights({.class_weights = {1, 3}}, dataset({1, 2})).class_weights == std::vector<double>{1, 3});
  CHECK_THROWS_WITH(with_class_weights({.class_weights = {1, 3}}, dataset({1, 2, 3})),
                    Catch::Contains("has 2 values and the dataset 3 classes"));
}

TEST_CASE("a training says which class weights it uses, and resumes with hard mining to the same bits",
          "[class_weights][train][resume]") {
  TrainingFolder trainings;
  make_data(trainings.data, 6, 2);
  const Arguments settings{"--set", "train.checkpoint_every=8",  "--set", "model.loss.effective_number=0.9",
                           "--set", "model.loss.kind=ohem",      "--set", "model.loss.mining_batch=64",
                           "--set", "model.loss.mining_ratio=3", "--set", "train.steps=16"};
  const auto whole = run_fovea(trainings.arguments("whole", settings));
  CAPTURE(whole.err);
  REQUIRE(whole.exit_code == 0);
  CHECK_THAT(whole.out, Catch::Contains("class weights: "));
  Process killed(trainings.arguments("killed", settings));
  REQUIRE(wait_for(trainings.run("killed") / "last.safetensors"));
  killed.signal(SIGKILL);
  killed.wait();
  REQUIRE(run_fovea(trainings.arguments("killed", joined(settings, {"--resume"}))).exit_code == 0);
  CHECK(read_text(trainings.run("whole") / "last.safetensors") ==
        read_text(trainings.run("killed") / "last.safetensors"));
}

TEST_CASE("a training without a prior says what the prior would do", "[class_weights][train]") {
  TrainingFolder trainings;
  make_data(trainings.data, 6, 2);
  const Arguments without{"--set", "model.head.prior=0.5", "--set", "model.loss.kind=cross_entropy",
                          "--set", "train.steps=2"};
  const auto result = run_fovea(trainings.arguments("without", without));
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Catch::Contains("model.head.prior = 0.5") && Catch::Contains("69 times that of 0.01"));
  const Arguments diverging{"--set", "train.schedule.base=1e30",   "--set", "train.schedule.warmup_steps=0",
                            "--set", "train.optimizer.clip_norm=0"};
  const auto diverged = run_fovea(trainings.arguments("diverged", joined(without, diverging)));
  CHECK(diverged.exit_code == 4);
  CHECK_THAT(diverged.err, Catch::Contains("set model.head.prior to 0.01"));
  CHECK_THAT(run_fovea(trainings.arguments("usual", {"--set", "train.steps=1"})).out, !Catch::Contains("prior"));
}
