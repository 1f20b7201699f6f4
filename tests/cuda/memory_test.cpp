// What becomes of a training that a GPU's memory does not suffice for: without recordings, or refused before it starts.
#include "engine/optimizer.h"
#include "tests/cuda/program.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tools/train/step.h"
#include "tools/train/training_memory.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

int64_t lines_with(const std::string& text, const std::string& words) {
  int64_t count = 0;
  for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("standin: where memory does not suffice for recordings a training goes on without, with the same numbers",
          "[standin][fault]") {
  const ShortRuns runs(6, 1);
  // Images of other sizes at each step: the segments that a recording holds fit no other.
  const auto arguments = [&](const std::string& name, const std::string& record) {
    auto all = runs.train(name, "cuda", 14);
    for (const char* setting : {"input.short_side=[64, 224, 96, 160, 128]", "input.long_side=320"})
      all.insert(all.end(), {"--set", setting});
    all.insert(all.end(), {"--set", "train.record=" + record});
    return all;
  };
  const auto peak_of = [&](const std::string& name, const std::string& record) {
    const auto result = run_standin(arguments(name, record), "FOVEA_STANDIN_REPORT=" + runs.path(name + ".json"));
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK(result.err.empty());
    return reported(read_text(runs.path(name + ".json")), "peak_memory");
  };
  const int64_t recorded = peak_of("recorded", "true"), eager = peak_of("eager", "false");
  REQUIRE(eager < recorded);
  const auto tight = run_standin(
      arguments("tight", "true"),
      fmt::format("FOVEA_STANDIN_MEMORY={} FOVEA_STANDIN_REPORT={}", recorded - 1, runs.path("tight.json")));
  CAPTURE(tight.err, eager, recorded);
  CHECK(tight.exit_code == 0);
  CHECK(lines_with(tight.err, "\n") == 1);
  CHECK_THAT(tight.err, Contains("does not suffice for recordings") && Contains("smaller batch"));
  CHECK(
      (read_text(runs.path("tight") + "/last.safetensors") == read_text(runs.path("recorded") + "/last.safetensors")));
  CHECK(reported(read_text(runs.path("tight.json")), "memory_at_exit") == 0);
}

TEST_CASE("standin: a batch too large for the GPU is refused before the first step, and about the largest one named",
          "[standin][fault]") {
  const ShortRuns runs(8, 1);
  const auto train = [&](const std::string& name, int batch, const std::string& environment) {
    auto all = runs.train(name, "cuda", 1);
    all.insert(all.end(), {"--set", "train.batch=" + std::to_string(batch)});
    return run_standin(all, environment + " FOVEA_STANDIN_REPORT=" + runs.path(name + ".json"));
  };
  REQUIRE(train("four", 4, "").exit_code == 0);
  const int64_t needed = reported(read_text(runs.path("four.json")), "peak_memory");
  const std::string memory = fmt::format("FOVEA_STANDIN_MEMORY={}", needed + needed / 4);
  const auto refused = train("many", 64, memory);
  CAPTURE(refused.err);
  CHECK(refused.exit_code == 5);
  CHECK(lines_with(refused.err, "\n") == 1);
  CHECK_THAT(refused.err, Contains("train.batch=64 does not fit") && Contains("activations") &&
                              Contains("optimiser state") && Contains("the largest train.batch that fits is about "));
  CHECK(reported(read_text(runs.path("many.json")), "conv_forward") == 0);  // nothing was run
  const std::string words = "that fits is about ";
  const int largest = std::stoi(refused.err.substr(refused.err.find(words) + words.size()));
  CHECK(largest >= 4);
  CHECK(train("half", largest / 2, memory).exit_code ==
        0);  // validation and staging have their part of so small a memory
}

TEST_CASE("standin: a GPU with too little memory for one image is said in one line", "[standin][fault]") {
  const ShortRuns runs(2, 1);
  auto train = runs.train("run", "cuda", 1);
  train.insert(train.end(), {"--set", "input.short_side=640", "--set", "input.long_side=900"});
  const auto refused = run_standin(train, "FOVEA_STANDIN_MEMORY=16000000");
  CAPTURE(refused.err);
  CHECK(refused.exit_code == 5);
  CHECK(lines_with(refused.err, "\n") == 1);
  CHECK_THAT(refused.err, Contains("not even one image does: use a smaller input.short_side, or --precision bf16"));
}

namespace {

// Of a training's steps, recorded, without doing them: the most memory that the GPU has in use.
size_t measured(const Config& config, const BatchShape& shape, Precision precision) {
  Context context(DeviceKind::Cuda, precision);
  RetinaNet model(context, config.model, 0);
  Optimizer optimizer(context, model.parameters(), config.train.optimizer);
  TrainingSteps steps(model, optimizer, config.input, /*record=*/true);
  const auto pixels = std::make_shared<Image>(Image{shape.width, shape.height, {}});
  pixels->rgb.resize(static_cast<size_t>(3 * shape.width * shape.height));
  LoadedImage image;
  image.image = pixels;
  image.full = image.size = {shape.height, shape.width};
  standin::reset_report();
  for (int i = 0; i < 3; ++i) {
    steps.enqueue(std::vector<LoadedImage>(static_cast<size_t>(shape.images), image), shape, 0.01);
    steps.finished(0);
  }
  return static_cast<size_t>(standin::report().peak_memory);
}

}  // namespace

TEST_CASE("standin: what a training is said to need is what it takes, for several networks and batches",
          "[standin][memory]") {
  standin::set_dry(true);
  fmt::print("one recorded training step:\n{:>12}{:>7}{:>7}{:>12}{:>12}\n", "preset", "", "batch", "said MiB",
             "taken MiB");
  for (const auto& [name, side] : {std::pair{"paper", 800}, {"torchvision", 800}, {"r18", 512}, {"demo", 256}})
    for (const Precision precision : {Precision::F32, Precision::BF16})
      for (const int batch : {1, 2, 4, 16}) {
        Config config = preset(name);
        config.model.classes = 80;
        const BatchShape shape{.images = batch, .height = side, .width = side, .max_boxes = 8};
        const size_t taken = measured(config, shape, precision);
        size_t kept = 0;
        {
          Context context(DeviceKind::Cuda, precision);
          RetinaNet model(context, config.model, 0);
          const Optimizer optimizer(context, model.parameters(), config.train.optimizer);
          kept = context.memory.statistics().total;
        }
        const DType dtype = precision == Precision::BF16 ? DType::BF16 : DType::F32;
        const MemoryNeeds needs = training_needs(config, dtype, shape, kept);
        const size_t said = needs.at_least(batch);
        fmt::print("{:>12}{:>7}{:>7}{:>12.0f}{:>12.0f}\n", name, name_of(dtype), batch, said / 1048576.,
                   taken / 1048576.);
        CHECK(said <= taken);  // what fits is not refused
        CHECK(taken <= needs.at_most(batch));
        CHECK(needs.at_most(batch) < 2 * said);  // so that both bounds say something
      }
  standin::set_dry(false);
}
