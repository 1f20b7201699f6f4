// A checkpoint and a configuration of an earlier version (tests/data/checkpoints) go on being read, whatever is
// renamed.
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tools/checkpoint/model_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

const std::string kOld = test_data("checkpoints/tiny_6a482f7.safetensors").string(),
                  kOldConfig = test_data("checkpoints/tiny_6a482f7.config.toml").string(),
                  kCells = std::string(FOVEA_SOURCE_DIR) + "/examples/blood_cells";

ProcessResult passes(const std::vector<std::string>& arguments) {
  const auto result = run_fovea(arguments);
  CAPTURE(arguments, result.out, result.err);
  REQUIRE(result.exit_code == 0);
  return result;
}

}  // namespace

TEST_CASE("an old checkpoint is evaluated, detects, and is opened by a program", "[checkpoint]") {
  const TemporaryFolder folder;
  const auto eval = passes({"eval", "--device", "cpu", "--weights", kOld, "--data", kCells});
  CHECK_THAT(eval.err, !Contains("is now called"));  // nobody can edit what it holds
  passes(
      {"detect", kCells + "/val", "--device", "cpu", "--weights", kOld, "--out", (folder.path() / "found").string()});
  const ModelFile file = open_model(kOld);
  CHECK(file.config.input.std == std::vector<double>{0.229, 0.224, 0.225});
  CHECK(file.categories.size() == 3);
}

TEST_CASE("an old run goes on, and starts another", "[checkpoint][resume]") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  fs::create_directory(run);
  fs::copy_file(kOld, run / "last.safetensors");
  fs::copy_file(kOldConfig, run / "config.toml");
  const std::vector<std::string> options{"train",  kOldConfig, "--device", "cpu",
                                         "--data", kCells,     "--set",    "train.steps=21"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = options;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const auto resumed = passes(with({"--out", run.string(), "--resume", "--allow-config-change"}));
  CHECK_THAT(resumed.out, Contains("step 20"));
  CHECK_THAT(resumed.err, Contains("input.deviation is now called input.std"));
  passes(with({"--out", (folder.path() / "new").string(), "--init-from", kOld}));
}

TEST_CASE("a setting under its old name is taken with a warning, and refused beside the new one",
          "[checkpoint][config]") {
  Config config;
  apply_setting(config, "input.deviation=[1, 2, 3]");
  CHECK(config.input.std == std::vector<double>{1, 2, 3});
  apply_setting(config, "model.loss.normaliser=image");
  CHECK(config.model.loss.normalizer == LossNormalizer::PerImage);
  CHECK_THROWS_WITH(apply_toml(config, "[input]\nstd = [1, 2, 3]\ndeviation = [1, 2, 3]\n", "my.toml"),
                    Contains("my.toml:3: input.deviation is now called input.std, which is set too"));
}
