#include "tools/config/config.h"

#include "kernels/error.h"
#include "tests/support/catch.h"

using namespace fovea;
using Catch::Contains;

TEST_CASE("every preset survives the way to TOML and back", "[config]") {
  for (const std::string& name : preset_names()) {
    CAPTURE(name);
    const Config original = preset(name);
    validate(original);
    Config read;
    apply_toml(read, to_toml(original), "test");
    CHECK(differences(original, read).empty());
  }
}

TEST_CASE("settings from the command line override, and name what is wrong", "[config]") {
  Config config = preset("demo");
  apply_setting(config, "train.steps=17");
  apply_setting(config, "model.head.norm=none");
  apply_setting(config, "input.short_side=[240, 320]");
  apply_setting(config, "train.schedule.base=2e-4");
  CHECK(config.train.steps == 17);
  CHECK(config.model.head.norm == Norm::None);
  CHECK(config.input.short_side == std::vector<int>{240, 320});
  CHECK(config.train.schedule.base == 2e-4);
  CHECK(differences(preset("demo"), config).size() == 4);

  CHECK_THROWS_WITH(apply_setting(config, "train.stepz=1"), Contains("did you mean 'train.steps'"));
  CHECK_THROWS_WITH(apply_setting(config, "train.steps=many"), Contains("whole number"));
  CHECK_THROWS_WITH(apply_setting(config, "train.batch=99999999999"), Contains("in range"));
  CHECK_THROWS_WITH(apply_setting(config, "model.head.norm=grop"), Contains("none, frozen_batch, batch, group"));
  CHECK_THROWS_WITH(apply_setting(config, "train.steps"), Contains("key=value"));
  CHECK_THROWS_WITH(apply_toml(config, "[train]\nbatch = 2\nfoo = 1\n", "my.toml"), Contains("my.toml:3: train.foo"));
  CHECK_THROWS_WITH(apply_toml(config, "[train\n", "my.toml"), Contains("my.toml:1"));
  CHECK_THROWS_WITH(preset("papre"), Contains("'paper'"));
}

TEST_CASE("contradictory settings are refused", "[config]") {
  Config config = preset("demo");
  config.model.head.norm_groups = 7;
  CHECK_THROWS_WITH(validate(config), Contains("norm_groups must divide"));
}
