// Training by the C API: as `fovea train` does, told to the caller in its own thread, and stopped by it.
#include <algorithm>
#include <functional>
#include <thread>

#include "kernels/interrupt.h"
#include "tests/api/scene.h"
#include "tests/support/training_folder.h"
#include "tools/train/trainer.h"
//
#include <fovea/fovea.hpp>  // last: its names are also those of the code above

namespace test = fovea::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

constexpr int kSteps = 6;

// Options of six steps of the smallest network, and what they point to.
struct Training : test::TrainingFolder {
  Training() { test::make_data(data, 2, 1); }

  std::string data_name = data.string(), out_name;
  std::vector<const char*> settings{"train.steps=6", "train.eval_every=3", "train.checkpoint_every=4",
                                    "convolution=direct"};
  std::vector<fovea_train_event> events;
  std::vector<std::string> messages;
  std::function<int32_t(const fovea_train_event&)> heard;

  fovea_train_options options(const std::string& name) {
    out_name = run(name).string();
    fovea_train_options options;
    fovea_train_options_init(&options);
    options.data = data_name.c_str();
    options.out = out_name.c_str();
    options.preset = "tiny";
    options.settings = settings.data();
    options.setting_count = settings.size();
    options.device = FOVEA_DEVICE_CPU;
    options.user = this;
    options.callback = [](const fovea_train_event* event, void* user) -> int32_t {
      auto& training = *static_cast<Training*>(user);
      CHECK(event->size == sizeof(fovea_train_event));
      if (event->kind != FOVEA_TRAIN_WAITING) training.events.push_back(*event);
      if (event->kind == FOVEA_TRAIN_MESSAGE) training.messages.emplace_back(event->message);
      return training.heard ? training.heard(*event) : 0;
    };
    return options;
  }
  std::vector<fovea_train_event> of_kind(int32_t kind) const {
    std::vector<fovea_train_event> found;
    std::copy_if(events.begin(), events.end(), std::back_inserter(found), [&](auto& e) { return e.kind == kind; });
    return found;
  }
};

// What `fovea train` makes of the same options.
void train_without_api(const Training& training, const std::string& name) {
  fovea::Config config = fovea::preset("tiny");
  for (const char* setting : training.settings) apply_setting(config, setting);
  fovea::train(config, {.data = training.data, .out = training.run(name)});
}

}  // namespace

TEST_CASE("api: a training is that of the program, and is told step by step in the caller's thread", "[api][train]") {
  Training training;
  const auto caller = std::this_thread::get_id();
  training.heard = [&](const fovea_train_event&) {
    CHECK(std::this_thread::get_id() == caller);
    return 0;
  };
  const auto options = training.options("run");
  test::require_ok(fovea_train(&options));
  const auto steps = training.of_kind(FOVEA_TRAIN_STEP);
  REQUIRE(steps.size() == kSteps);
  for (int i = 0; i < kSteps; ++i) {
    CHECK(steps[i].step == i + 1);
    CHECK(steps[i].steps == kSteps);
    CHECK(steps[i].loss == steps[i].classification_loss + steps[i].box_loss);
    CHECK((steps[i].loss > 0 && steps[i].gradient_norm > 0 && steps[i].learning_rate > 0 && steps[i].skipped == 0));
  }
  const auto validated = training.of_kind(FOVEA_TRAIN_VALIDATED);
  REQUIRE(validated.size() == 2);
  CHECK((validated[0].step == 3 && validated[1].step == 6));
  CHECK((validated[1].ap >= 0 && validated[1].ap <= validated[1].ap50));
  CHECK(training.of_kind(FOVEA_TRAIN_VALIDATING).back().images == 1);
  REQUIRE(training.of_kind(FOVEA_TRAIN_BEGIN).size() == 1);
  REQUIRE(!training.messages.empty());
  CHECK_THAT(training.messages[0], StartsWith("train: 2 images"));
  train_without_api(training, "program");
  test::check_same_tensors(training.run("run") / "last.safetensors", training.run("program") / "last.safetensors");
}

TEST_CASE("api: a training that the callback stops is saved, and goes on with the same bits", "[api][train]") {
  Training training;
  training.heard = [](const fovea_train_event& event) { return event.kind == FOVEA_TRAIN_STEP && event.step == 2; };
  auto options = training.options("run");
  CHECK(fovea_train(&options) == FOVEA_ERROR_INTERRUPTED);
  CHECK_THAT(test::last_error(), Contains("and saved the run"));
  CHECK_FALSE(fovea::stop_requested);  // the program goes on
  training.heard = {};
  options.resume = 1;
  test::require_ok(fovea_train(&options));
  train_without_api(training, "program");
  test::check_same_tensors(training.run("run") / "last.safetensors", training.run("program") / "last.safetensors");
}

TEST_CASE("api: options of a training that make no sense are named, and leave nothing behind", "[api][train][fault]") {
  Training training;
  struct Wrong {
    const char* message;
    std::function<void(fovea_train_options&)> change;
    fovea_status status = FOVEA_ERROR_USAGE;
  };
  static const char* const kUnknown[] = {"train.stpes=6"};
  const std::string inside = (training.data / "run").string();
  const std::vector<Wrong> wrongs{
      {"options.size is 0", [](auto& o) { o.size = 0; }},
      {"options.data is NULL", [](auto& o) { o.data = nullptr; }},
      {"options.out is NULL", [](auto& o) { o.out = nullptr; }},
      {"unknown preset 'tinny'; did you mean 'tiny'", [](auto& o) { o.preset = "tinny"; }},
      {"options.settings[0]", [](auto& o) { o.settings = kUnknown, o.setting_count = 1; }},
      {"options.resume is 2", [](auto& o) { o.resume = 2; }},
      {"options.device is 9", [](auto& o) { o.device = 9; }},
      {"options.threads is -1", [](auto& o) { o.threads = -1; }},
      {"options.resume goes on", [](auto& o) { o.resume = 1, o.init_from = "weights.safetensors"; }},
      {"options.state_dict is set", [](auto& o) { o.state_dict = "model"; }},
      {inside.c_str(), [&](auto& o) { o.out = inside.c_str(); }},
      {"no such folder", [](auto& o) { o.data = "no such folder"; }, FOVEA_ERROR_DATA},
      {"no such file.toml", [](auto& o) { o.config = "no such file.toml"; }},
  };
  for (const Wrong& wrong : wrongs) {
    CAPTURE(wrong.message);
    auto options = training.options("run");
    wrong.change(options);
    CHECK(fovea_train(&options) == wrong.status);
    CHECK_THAT(test::last_error(), StartsWith(wrong.message));
    CHECK_FALSE(std::filesystem::exists(training.run("run")));
  }
  CHECK(fovea_train(nullptr) == FOVEA_ERROR_USAGE);
}

TEST_CASE("api: in C++ a training's callback may throw, when the run is saved", "[api][train]") {
  Training training;
  struct Enough {};
  fovea::api_0::TrainOptions options{.data = training.data, .out = training.run("run"), .preset = "tiny"};
  options.settings.assign(training.settings.begin(), training.settings.end());
  options.device = fovea::api_0::Device::Cpu;
  const auto throws = [](const fovea::TrainEvent& event) -> bool {
    if (event.kind == FOVEA_TRAIN_STEP && event.step == 2) throw Enough{};
    return true;
  };
  CHECK_THROWS_AS(fovea::api_0::train(options, throws), Enough);
  CHECK(std::filesystem::exists(training.run("run") / "last.safetensors"));
  options.resume = true;
  fovea::api_0::train(options);
  train_without_api(training, "program");
  test::check_same_tensors(training.run("run") / "last.safetensors", training.run("program") / "last.safetensors");
}
