// What becomes of a training that a GPU's memory does not suffice for: without recordings, or refused before it starts.
#include "engine/optimizer.h"
#include "tests/cuda/program.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tests/support/detection_scene.h"
#include "tests/support/scoped.h"
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

// The largest one that fits, by the message.
int named_batch(const std::string& message) {
  const std::string words = "the largest train.batch that fits is ";
  const size_t at = message.find(words);
  return at == std::string::npos ? 0 : std::stoi(message.substr(at + words.size()));
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
  const std::string expected = read_text(runs.path("recorded") + "/last.safetensors");
  constexpr int kLimits = 8;
  for (int i = 0; i < kLimits; ++i) {
    const int64_t limit = eager + (recorded - 1 - eager) * i / (kLimits - 1);
    const auto tight =
        run_standin(arguments("tight", "true"),
                    fmt::format("FOVEA_STANDIN_MEMORY={} FOVEA_STANDIN_REPORT={}", limit, runs.path("tight.json")));
    CAPTURE(limit, eager, recorded, tight.err);
    CHECK(tight.exit_code == 0);
    CHECK(lines_with(tight.err, "\n") == 1);
    CHECK_THAT(tight.err, Contains("GPU memory is too small for recorded steps") && Contains("smaller batch"));
    CHECK((read_text(runs.path("tight") + "/last.safetensors") == expected));
    check_same_tensors(runs.path("eager") + "/last.safetensors", runs.path("tight") + "/last.safetensors");
    CHECK(reported(read_text(runs.path("tight.json")), "memory_at_exit") == 0);
    fs::remove_all(runs.path("tight"));
  }
}

TEST_CASE("standin: where memory does not suffice for recordings a detection goes on without, with the same boxes",
          "[standin][fault]") {
  struct Run {
    std::vector<std::vector<Detected>> boxes;
    int notices = 0;
    int64_t peak = 0;
  };
  const int64_t all = standin::memory();
  const auto run = [&](int64_t limit, bool record) {
    Run result;
    DetectionScene scene(DeviceKind::Cuda);
    standin::reset_report();
    const Scoped memory(standin::set_memory, limit);
    scene.context.recordings.set_notice([&] { ++result.notices; });
    if (!record) scene.context.recordings.give_up();
    Detector detector(scene.model, scene.config.input, 4);
    for (int times = 0; times < 3; ++times) result.boxes = scene.detect(detector, 20);
    result.peak = standin::report().peak_memory;
    return result;
  };
  const Run recorded = run(all, true), eager = run(all, false);
  CHECK(recorded.notices == 0);
  CHECK(same_boxes(recorded.boxes, eager.boxes));
  REQUIRE(eager.peak < recorded.peak);
  constexpr int kLimits = 8;
  for (int i = 0; i < kLimits; ++i) {
    const int64_t limit = eager.peak + (recorded.peak - 1 - eager.peak) * i / (kLimits - 1);
    const Run tight = run(limit, true);
    CAPTURE(limit, eager.peak, recorded.peak);
    CHECK(tight.notices == 1);
    CHECK(same_boxes(tight.boxes, eager.boxes));
  }
}

TEST_CASE("standin: memory that recordings had serves all work once they are given up", "[standin][memory]") {
  Context context(DeviceKind::Cuda);
  constexpr size_t kSegment = size_t{8} << 20;
  Tensor kept;
  const auto body = [&] {
    const Tensor passing = context.empty({kSegment - 4096}, DType::U8);
    kept = context.empty({64}, DType::U8);  // the rest of the segment, which can so never be given back
    context.queue.fill_zero(passing.raw(), passing.bytes());
  };
  RepeatedWork work;
  for (int i = 0; i < 2; ++i) work.run(context, body);
  REQUIRE(work.recorded());
  REQUIRE(context.memory.statistics().recorded == kSegment);
  const Scoped memory(standin::set_memory, standin::report().memory);  // not a byte is left
  const auto allocate = [&](size_t bytes) { return context.memory.allocate(bytes, MemoryUse::Data); };
  for (int i = 0; i < 3; ++i) {
    void* const given = allocate(kSegment / 2);
    CHECK_FALSE(work.recorded());
    work.run(context, [&] { const Tensor beside = context.empty({kSegment / 4}, DType::U8); });
    context.memory.free(given);
    work.run(context, body);
  }
  CHECK(context.memory.statistics().recorded == 0);
  CHECK(context.memory.statistics().reserved == kSegment);
  CHECK_THROWS_WITH(allocate(2 * kSegment), Contains("out of memory"));
}

TEST_CASE(
    "standin: a batch too large for the GPU is refused before the first step, and the largest one named, which fits",
    "[standin][fault]") {
  const ShortRuns runs(8, 1);
  const std::string precision = GENERATE("fp32", "bf16");
  const auto train = [&](int batch, int64_t memory) {
    const std::string name = fmt::format("{}_{}", batch, memory);
    auto all = runs.train(name, "cuda", 3, precision);
    for (const std::string& setting : {fmt::format("train.batch={}", batch), std::string("input.short_side=[96]")})
      all.insert(all.end(), {"--set", setting});
    auto result = run_standin(
        all, fmt::format("FOVEA_STANDIN_MEMORY={} FOVEA_STANDIN_REPORT={}", memory, runs.path("report.json")));
    if (result.exit_code == 5) CHECK(reported(read_text(runs.path("report.json")), "conv_forward") == 0);
    return result;
  };
  for (const int64_t memory : {20 << 20, 41 << 20, 60 << 20}) {
    const auto refused = train(64, memory);
    CAPTURE(precision, memory, refused.err);
    REQUIRE(refused.exit_code == 5);
    CHECK(lines_with(refused.err, "\n") == 1);
    CHECK_THAT(refused.err, Contains("train.batch=64 does not fit") && Contains("optimizer state"));
    const int largest = named_batch(refused.err);
    CAPTURE(largest);
    const auto fits = train(largest, memory);
    CAPTURE(fits.err);
    CHECK(fits.exit_code == 0);
    // With what the batch that is named leaves, one image more would fit at most.
    const auto more = train(largest + 1, memory - memory / 64);
    CAPTURE(more.err);
    CHECK(more.exit_code == 5);
    CHECK(named_batch(more.err) <= largest);
  }
}

TEST_CASE("standin: a GPU with too little memory for one image is said in one line", "[standin][fault]") {
  const ShortRuns runs(2, 1);
  auto train = runs.train("run", "cuda", 1);
  train.insert(train.end(), {"--set", "input.short_side=640", "--set", "input.long_side=900"});
  const auto refused = run_standin(train, "FOVEA_STANDIN_MEMORY=16000000");
  CAPTURE(refused.err);
  CHECK(refused.exit_code == 5);
  CHECK(lines_with(refused.err, "\n") == 1);
  CHECK_THAT(refused.err,
             Contains("not even one image fits: use a smaller input.short_side, or use bf16 (--precision bf16)"));
}

namespace {

LoadedImage blank(const BatchShape& shape) {
  const auto pixels = std::make_shared<Image>(Image{shape.width, shape.height, {}});
  pixels->rgb.resize(static_cast<size_t>(3 * shape.width * shape.height));
  LoadedImage image;
  image.image = pixels;
  image.full = image.size = {shape.height, shape.width};
  return image;
}

std::vector<LoadedImage> blanks(const BatchShape& shape) {
  return std::vector<LoadedImage>(static_cast<size_t>(shape.images), blank(shape));
}

// Of a training's steps, without doing them: the most memory that the GPU has in use.
size_t measured(const Config& config, const BatchShape& shape, bool record) {
  Context context(DeviceKind::Cuda, config.precision);
  RetinaNet model(context, config.model, std::nullopt);
  Optimizer optimizer(context, model.parameters(), config.train.optimizer);
  TrainingSteps steps(model, optimizer, config.input, record);
  standin::reset_report();
  if (record) require_fits(context, config, shape, blanks(shape), 1);
  for (int i = 0; i < 3; ++i) {
    steps.enqueue(blanks(shape), shape, 0.01);
    steps.finished(0);
  }
  return static_cast<size_t>(standin::report().peak_memory);
}

struct Case {
  const char* preset;
  int side;
};
constexpr Case kCases[] = {{"paper", 800}, {"torchvision", 800}, {"r18", 512}, {"demo", 256}};

Config config_of(const Case& network, Precision precision) {
  Config config = preset(network.preset);
  config.model.classes = 80;
  config.precision = precision;
  return config;
}

BatchShape shape_of(const Case& network, int batch) {
  return {.images = batch, .height = network.side, .width = network.side, .max_boxes = 8};
}

// What require_fits says on a GPU with so much memory; empty: it fits.
std::string refusal(const Config& config, const BatchShape& shape) {
  Context context(DeviceKind::Cuda, config.precision);
  RetinaNet model(context, config.model, std::nullopt);
  const Optimizer optimizer(context, model.parameters(), config.train.optimizer);
  try {
    require_fits(context, config, shape, std::vector<LoadedImage>(static_cast<size_t>(shape.images), blank(shape)), 1);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::OutOfMemory);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("standin: what a training is said to need is what it takes, for several networks and batches",
          "[standin][memory]") {
  const Scoped dry(standin::set_dry, true);
  fmt::print("training steps:\n{:>12}{:>7}{:>7}{:>12}{:>12}\n", "preset", "", "batch", "taken MiB", "bound MiB");
  for (const Case& network : kCases)
    for (const Precision precision : {Precision::F32, Precision::BF16})
      for (const int batch : {1, 2, 4, 16}) {
        const Config config = config_of(network, precision);
        const BatchShape shape = shape_of(network, batch);
        const size_t taken = measured(config, shape, /*record=*/false);
        CAPTURE(network.preset, batch);
        CHECK(memory_of_training(config, shape, {blank(shape)}) == taken);
        size_t kept = 0;
        {
          Context context(DeviceKind::Cuda, precision);
          RetinaNet model(context, config.model, std::nullopt);
          const Optimizer optimizer(context, model.parameters(), config.train.optimizer);
          kept = context.memory.statistics().total;
        }
        const DType dtype = precision == Precision::BF16 ? DType::BF16 : DType::F32;
        kept += PixelStaging::room_for(std::vector<LoadedImage>(static_cast<size_t>(batch), blank(shape)));
        const size_t bound = training_needs(config, dtype, shape, kept).at_most(batch);
        fmt::print("{:>12}{:>7}{:>7}{:>12.0f}{:>12.0f}\n", network.preset, name_of(dtype), batch, taken / 1048576.,
                   bound / 1048576.);
        CHECK(taken <= bound);
        CHECK(bound < 2 * taken);  // so that it says something
      }
}

TEST_CASE("standin: the batch that is named fits, and one image more does not", "[standin][memory]") {
  const Scoped dry(standin::set_dry, true);
  const Case network{"r18", 512};
  const Config config = config_of(network, Precision::F32);
  const int64_t memory = 2 * static_cast<int64_t>(measured(config, shape_of(network, 1), /*record=*/false));
  const Scoped limit(standin::set_memory, memory);
  const std::string said = refusal(config, shape_of(network, 16));
  const int largest = named_batch(said);
  CAPTURE(memory, said);
  CHECK(largest >= 1);
  CHECK_NOTHROW(measured(config, shape_of(network, largest), /*record=*/true));
  standin::set_memory(memory - memory / 64);  // what the named one leaves
  CHECK_FALSE(refusal(config, shape_of(network, largest + 1)).empty());
  CHECK_THROWS_WITH(measured(config, shape_of(network, largest + 1), false), Contains("out of memory"));
}
