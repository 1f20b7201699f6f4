// The presets: what differs from the paper's recipe, which is what the fields of Config start with.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/error.h"
#include "tools/config/config.h"
#include "tools/text/nearest.h"

namespace fovea {

namespace {

struct Preset {
  const char* name;
  const char* base;  // the preset that it changes; null: the fields' own values
  const char* toml;
};

constexpr Preset kPresets[] = {
    {"paper", nullptr, R"(
[input]
shape_buckets = 4
[train.schedule]
milestones = [60000, 80000]
reference_batch = 16
)"},
    // torchvision's retinanet_resnet50_fpn and its reference training script (26 epochs of COCO on 8 × 2 images).
    {"torchvision", nullptr, R"(
[model.fpn]
p6_from_c5 = false
[model.anchors]
rounded = true
[model.loss]
box = "l1"
normalizer = "image"
[model.detect]
per_image = 300
[input]
jpeg_scaling = false
shape_buckets = 4
[train]
steps = 190600
[train.schedule]
milestones = [117300, 161300]
reference_batch = 16
)"},
    // torchvision's retinanet_resnet50_fpn_v2, as its published weights were trained (pytorch/vision, pull request
    // 5756).
    {"torchvision_v2", "torchvision", R"(
[model.backbone]
norm = "batch"
[model.fpn]
p6_from_c5 = true
[model.head]
norm = "group"
[model.loss]
box = "giou"
[input]
short_side = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
[train]
sync_batch_norm = true
[train.optimizer]
kind = "adamw"
weight_decay = 0.05
decay_norm_and_bias = false
[train.schedule]
base = 0.0001
)"},
    {"r18", "paper", R"(
[model.backbone]
depth = 18
)"},
    {"resnext50", "paper", R"(
[model.backbone]
kind = "resnext"
)"},
    {"vgg16", "paper", R"(
[model.backbone]
kind = "vgg"
norm = "none"
)"},
    // Pixels between −1 and 1, as torchvision's weights of Inception v3 take them.
    {"inception", "paper", R"(
[model.backbone]
kind = "inception"
[input]
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
)"},
    // A small network that learns the example data from scratch within minutes on two CPU cores.
    {"demo", nullptr, R"(
[model.backbone]
depth = 18
width_divisor = 2
stem_width = 32
norm = "batch"
frozen_stages = 0
[model.fpn]
channels = 64
p6_from_c5 = false
[model.anchors]
sizes = [16.0, 32.0, 64.0, 128.0, 256.0]
[model.head]
norm = "group"
norm_groups = 8
[model.loss]
box = "giou"
[input]
short_side = [224, 240, 256]
long_side = 352
antialias = true
[train]
steps = 420
batch = 8
checkpoint_every = 105
eval_every = 105
[train.optimizer]
kind = "adamw"
weight_decay = 0.05
decay_norm_and_bias = false
clip_norm = 10.0
[train.schedule]
kind = "cosine"
base = 0.001
reference_batch = 8
warmup_steps = 50
)"},
    // For tests: trains in a second.
    {"tiny", nullptr, R"(
[model.backbone]
depth = 18
layers = [1, 1, 1, 1]
width_divisor = 8
stem_width = 8
norm = "batch"
frozen_stages = 0
[model.fpn]
channels = 16
p6_from_c5 = false
[model.head]
convolutions = 1
norm = "group"
norm_groups = 4
[input]
short_side = 96
long_side = 128
jpeg_scaling = false
workers = 2
[train]
steps = 20
batch = 2
log_every = 5
checkpoint_every = 10
eval_every = 0
[train.optimizer]
kind = "adamw"
clip_norm = 10.0
[train.schedule]
kind = "cosine"
base = 0.002
warmup_steps = 4
)"},
};

}  // namespace

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Preset& known : kPresets) all.emplace_back(known.name);
    return all;
  }();
  return names;
}

Config preset(const std::string& name) {
  for (const Preset& known : kPresets) {
    if (name != known.name) continue;
    Config config = known.base == nullptr ? Config() : preset(known.base);
    apply_toml(config, known.toml, "preset " + name);
    return config;
  }
  throw Error(ErrorKind::Usage, fmt::format("unknown preset '{}'{} (presets: {})", name,
                                            did_you_mean(name, preset_names()), fmt::join(preset_names(), ", ")));
}

}  // namespace fovea
