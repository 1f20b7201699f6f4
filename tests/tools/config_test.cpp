#include "tools/config/config.h"

#include <sstream>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

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

TEST_CASE("another kind of backbone has what is usual of it, and what is set with it in any order", "[config]") {
  Config config = preset("demo");
  apply_toml(config, "[model.backbone]\ndepth = 19\nkind = \"vgg\"\nlayers = [1, 1, 2, 2, 2]\n", "test");
  validate(config);
  CHECK(config.model.backbone.depth == 19);
  CHECK(config.model.backbone.layers == std::vector<int>{1, 1, 2, 2, 2});
  CHECK(config.model.backbone.stem_width == BackboneConfig{}.stem_width);  // demo's is 32
  CHECK(config.model.backbone.norm == Norm::Batch);
  apply_setting(config, "model.backbone.kind=inception");
  CHECK(config.model.backbone.depth == 48);
  CHECK(config.model.backbone.layers.empty());
  apply_setting(config, "model.backbone.kind=inception");
  apply_setting(config, "model.backbone.kind=resnext");
  CHECK(config.model.backbone.depth == 50);
  apply_setting(config, "model.backbone.groups=64");
  validate(config);
  apply_setting(config, "model.backbone.kind=resnet");
  CHECK(config.model.backbone.groups == 0);
  validate(config);
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
  CHECK_THROWS_WITH(apply_setting(config, "zzzzzz=1", "--set"), "--set zzzzzz=1: zzzzzz: unknown setting");
  CHECK_THROWS_WITH(apply_setting(config, "train.steps=many"), Contains("whole number"));
  CHECK_THROWS_WITH(apply_setting(config, "train.steps=", "--set"), "--set train.steps=: has no value behind the =");
  CHECK_THROWS_WITH(apply_setting(config, "train.batch=99999999999"), Contains("in range"));
  CHECK_THROWS_WITH(apply_setting(config, "model.head.norm=grop"), Contains("none, frozen_batch, batch, group"));
  CHECK_THROWS_WITH(apply_setting(config, "train.steps"), Contains("key=value"));
  CHECK_THROWS_WITH(apply_toml(config, "[train]\nbatch = 2\nfoo = 1\n", "my.toml"), Contains("my.toml:3: train.foo"));
  CHECK_THROWS_WITH(apply_toml(config, "[train\n", "my.toml"), Contains("my.toml:1"));
  CHECK_THROWS_WITH(preset("papre"), Contains("did you mean 'paper'?"));
  CHECK_THROWS_WITH(preset("yolo"), Catch::StartsWith("unknown preset 'yolo' (presets: ") && Contains("paper"));
}

namespace {

struct Refused {
  const char* settings;  // of the preset demo, separated by spaces
  const char* rule;      // a part of what is said that no other rule says
};

// Each rule of validate, from both sides where it has two.
const Refused kRefused[] = {
    {"model.classes=0", "model.classes"},
    {"model.backbone.kind=vgg model.backbone.depth=50", "model.backbone.depth = 50: of kind vgg it is 11, 13, 16, 19"},
    {"model.backbone.kind=inception model.backbone.depth=3", "of kind inception it is 48"},
    {"model.backbone.kind=resnext model.backbone.depth=34", "of kind resnext it is 50, 101, 152"},
    {"model.backbone.kind=vgg model.backbone.layers=[2,2,2,2]", "5 positive numbers, the convolutions of each stage"},
    {"model.backbone.kind=inception model.backbone.layers=[1]", "kind inception has no choice of them"},
    {"model.backbone.groups=32", "only kind resnext has groups"},
    {"model.backbone.kind=resnext model.backbone.groups=-1", "only kind resnext has groups"},
    {"model.backbone.group_width=8", "only resnet and resnext from depth 50 on"},
    {"model.backbone.kind=resnext model.backbone.width_divisor=32", "without a channel"},
    {"model.backbone.kind=vgg model.backbone.stem_width=32", "kind vgg has no choice of it"},
    {"model.backbone.kind=inception model.backbone.width_divisor=32", "width_divisor must divide 16"},
    {"model.backbone.kind=inception input.short_side=64", "at least 75 for Inception"},
    {"model.backbone.width_divisor=3", "width_divisor"},
    {"model.backbone.stride_in_1x1=true", "only resnet and resnext from depth 50 on have 1x1 convolutions"},
    {"model.backbone.norm_epsilon=-2", "model.backbone.norm_epsilon must lie between"},
    {"model.anchors.offset=1.5", "model.anchors.offset must lie between"},
    {"model.anchors.offset=-0.5", "model.anchors.offset must lie between"},
    {"model.backbone.width_divisor=0", "width_divisor"},
    {"model.backbone.stem_width=0", "stem_width must"},
    {"model.backbone.frozen_stages=-1", "frozen_stages"},
    {"model.backbone.frozen_stages=6", "frozen_stages"},
    {"model.backbone.norm=group model.backbone.norm_groups=3", "model.backbone.norm_groups"},
    {"model.backbone.norm=group model.backbone.norm_groups=8 model.backbone.stem_width=12",
     "model.backbone.norm_groups"},
    {"model.fpn.channels=0 model.head.norm=none", "model.fpn.channels must"},
    {"model.head.norm=batch", "model.head.norm must"},
    {"model.head.norm=frozen_batch", "model.head.norm must"},
    {"model.head.norm_groups=7", "model.head.norm_groups must divide"},
    {"model.head.prior=0", "model.head.prior"},
    {"model.head.prior=1", "model.head.prior"},
    {"model.anchors.octaves=[]", "at least one octave and one ratio"},
    {"model.anchors.ratios=[]", "at least one octave and one ratio"},
    {"model.anchors.ratios=[1.0,0.0]", "model.anchors.ratios"},
    {"model.loss.gamma=-0.5", "model.loss.gamma"},
    {"model.loss.beta=0", "model.loss.beta"},
    {"model.loss.kind=focal_star model.loss.gamma=0", "gamma must be at least 0.1 for kind focal_star"},
    {"model.loss.kind=ohem model.loss.mining_batch=0", "model.loss.mining_batch"},
    {"model.loss.kind=ohem model.loss.mining_batch=3 model.loss.mining_ratio=3", "is too small for a positive"},
    {"model.loss.mining_nms=1.5", "model.loss.mining_nms must lie between 0 and 1"},
    {"model.loss.mining_ratio=-1", "model.loss.mining_ratio"},
    {"model.loss.class_weights=[1,0,2]", "model.loss.class_weights must lie"},
    {"model.loss.effective_number=1", "model.loss.effective_number must be"},
    {"model.loss.effective_number=0.9 model.loss.class_weights=[1,2]", "makes the class weights itself"},
    {"model.loss.match_low=0.6 model.loss.match_high=0.5", "model.loss.match_low"},
    {"model.detect.per_image=0", "model.detect.per_image"},
    {"model.detect.candidates_per_level=0", "model.detect.per_image"},
    {"input.short_side=[]", "input.short_side"},
    {"input.short_side=[240,0]", "input.short_side"},
    {"input.long_side=0", "input.long_side"},
    {"input.pad_to=0", "input.long_side"},
    {"input.mean=[0.5,0.5]", "input.mean"},
    {"input.flip=1.5", "input.flip"},
    {"input.flip=-0.5", "input.flip"},
    {"input.workers=-1", "input.workers"},
    {"input.prefetch=0", "input.workers"},
    {"input.prefetch_mb=-1", "input.workers"},
    {"input.cache_mb=-1", "input.workers"},
    {"input.max_pixels=0", "input.max_pixels"},
    {"input.shape_buckets=-1", "input.max_pixels"},
    {"input.augment.vertical_flip=2", "input.augment.vertical_flip"},
    {"input.augment.crop=-1", "input.augment.vertical_flip"},
    {"input.augment.mosaic=2", "input.augment.vertical_flip"},
    {"input.augment.mixup=2", "input.augment.vertical_flip"},
    {"input.augment.smallest_crop=0", "input.augment.smallest_crop"},
    {"input.augment.smallest_crop=1.5", "input.augment.smallest_crop"},
    {"model.backbone.layers=[3,4,6]", "model.backbone.layers"},
    {"model.backbone.layers=[-1,1,1,1]", "model.backbone.layers"},
    {"model.backbone.norm=group model.backbone.norm_groups=0", "norm_groups must be at least 1"},
    {"model.backbone.norm=group model.backbone.norm_groups=-4", "norm_groups must be at least 1"},
    {"model.head.norm=group model.head.norm_groups=0", "norm_groups must be at least 1"},
    {"model.head.convolutions=-1", "model.head.convolutions"},
    {"model.anchors.sizes=[0,1,2,3,4]", "model.anchors.sizes"},
    {"model.loss.coder_weights=[0,1,1,1]", "model.loss.coder_weights"},
    {"model.loss.match_high=1.5", "must lie between 0 and 1"},
    {"model.loss.match_low=-0.5", "must lie between 0 and 1"},
    {"model.detect.nms_threshold=7", "model.detect.score_threshold and nms_threshold"},
    {"model.detect.score_threshold=-1", "model.detect.score_threshold and nms_threshold"},
    {"input.std=[0,1,1]", "input.std must be positive"},
    {"input.augment.photometric=2", "input.augment.photometric"},
    {"input.augment.rotation=46", "input.augment.rotation"},
    {"input.augment.rotation=-1", "input.augment.rotation"},
    {"model.loss.alpha=nan", "model.loss.alpha must be finite"},
    {"model.loss.alpha=2", "model.loss.alpha must lie between -1 and 1"},
    {"model.loss.gamma=1e9", "model.loss.gamma must lie between"},
    {"model.anchors.octaves=[0.0,nan]", "model.anchors.octaves must be finite"},
    {"model.anchors.octaves=[99]", "model.anchors.octaves must lie between"},
    {"model.anchors.sizes=[1,2,3,4,inf]", "model.anchors.sizes must be finite"},
    {"model.loss.match_low=nan", "model.loss.match_low must be finite"},
    {"input.short_side=1", "input.short_side must lie between 8 and"},
    {"input.short_side=[240,1000000]", "input.short_side must lie between 8 and"},
    {"input.mean=[0,0,nan]", "input.mean must be finite"},
    {"train.optimizer.momentum=-1", "train.optimizer.momentum must lie"},
    {"train.optimizer.beta2=1", "beta2 and ema_decay must be below 1"},
    {"train.optimizer.weight_decay=inf", "train.optimizer.weight_decay must be finite"},
    {"train.schedule.base=nan", "train.schedule.base must be finite"},
    {"train.schedule.warmup_steps=-5", "train.schedule.warmup_steps must lie"},
    {"train.steps=-1", "train.steps"},
    {"train.batch=0", "train.steps"},
    {"train.log_every=0", "train.log_every"},
    {"train.checkpoint_every=0", "train.log_every"},
    {"train.eval_every=-1", "train.log_every"},
    {"train.eval_batch=-1", "train.log_every"},
    {"train.schedule.base=0", "train.schedule.base"},
    {"train.schedule.reference_batch=-1", "train.schedule.base"},
};

}  // namespace

TEST_CASE("info --config prints TOML that train takes as it is", "[config]") {
  const auto printed = test::run_fovea({"info", "--config", "--preset", "demo"});
  CHECK(printed.exit_code == 0);
  CHECK(printed.out == to_toml(preset("demo")));
}

TEST_CASE("settings that contradict each other or mean nothing are refused, each by its rule", "[config]") {
  for (const auto& [settings, rule] : kRefused) {
    CAPTURE(settings, rule);
    Config config = preset("demo");
    std::istringstream words(settings);
    for (std::string word; words >> word;) apply_setting(config, word);
    try {
      validate(config);
      FAIL_CHECK("they are not refused");
    } catch (const Error& refused) {
      CHECK(refused.kind() == ErrorKind::Usage);
      CHECK_THAT(refused.what(), Contains(rule));
    }
  }
}
