#include "model/backbone/inception.h"

#include <iterator>

#include "model/names.h"

namespace fovea {

namespace {

using Pool = InceptionBlock::Pool;
using Plan = InceptionBlock::Plan;
using kernels::Extent;

constexpr Extent kRow{1, 7}, kRowPad{0, 3}, kColumn{7, 1}, kColumnPad{3, 0};
constexpr Extent kShortRow{1, 3}, kShortRowPad{0, 1}, kShortColumn{3, 1}, kShortColumnPad{1, 0};

// The paper's figures 5, 6, 7 and the two reductions, by torchvision's names of their branches.
Plan block_35(int pooled) {
  return {{.steps = {{"branch1x1", 64}}},
          {.steps = {{"branch5x5_1", 48}, {"branch5x5_2", 64, 5, 2}}},
          {.steps = {{"branch3x3dbl_1", 64}, {"branch3x3dbl_2", 96, 3, 1}, {"branch3x3dbl_3", 96, 3, 1}}},
          {.pool = Pool::Average, .steps = {{"branch_pool", pooled}}}};
}

Plan reduction_17() {
  return {{.steps = {{"branch3x3", 384, 3, 0, 2}}},
          {.steps = {{"branch3x3dbl_1", 64}, {"branch3x3dbl_2", 96, 3, 1}, {"branch3x3dbl_3", 96, 3, 0, 2}}},
          {.pool = Pool::Max}};
}

Plan block_17(int inner) {
  return {{.steps = {{"branch1x1", 192}}},
          {.steps = {{"branch7x7_1", inner},
                     {"branch7x7_2", inner, kRow, kRowPad},
                     {"branch7x7_3", 192, kColumn, kColumnPad}}},
          {.steps = {{"branch7x7dbl_1", inner},
                     {"branch7x7dbl_2", inner, kColumn, kColumnPad},
                     {"branch7x7dbl_3", inner, kRow, kRowPad},
                     {"branch7x7dbl_4", inner, kColumn, kColumnPad},
                     {"branch7x7dbl_5", 192, kRow, kRowPad}}},
          {.pool = Pool::Average, .steps = {{"branch_pool", 192}}}};
}

Plan reduction_8() {
  return {{.steps = {{"branch3x3_1", 192}, {"branch3x3_2", 320, 3, 0, 2}}},
          {.steps = {{"branch7x7x3_1", 192},
                     {"branch7x7x3_2", 192, kRow, kRowPad},
                     {"branch7x7x3_3", 192, kColumn, kColumnPad},
                     {"branch7x7x3_4", 192, 3, 0, 2}}},
          {.pool = Pool::Max}};
}

Plan block_8() {
  return {
      {.steps = {{"branch1x1", 320}}},
      {.steps = {{"branch3x3_1", 384}},
       .ends = {{"branch3x3_2a", 384, kShortRow, kShortRowPad}, {"branch3x3_2b", 384, kShortColumn, kShortColumnPad}}},
      {.steps = {{"branch3x3dbl_1", 448}, {"branch3x3dbl_2", 384, 3, 1}},
       .ends = {{"branch3x3dbl_3a", 384, kShortRow, kShortRowPad},
                {"branch3x3dbl_3b", 384, kShortColumn, kShortColumnPad}}},
      {.pool = Pool::Average, .steps = {{"branch_pool", 192}}}};
}

struct Block {
  const char* name;
  Plan plan;
};
std::vector<std::vector<Block>> stages() {
  return {{{"Mixed_5b", block_35(32)}, {"Mixed_5c", block_35(64)}, {"Mixed_5d", block_35(64)}},
          {{"Mixed_6a", reduction_17()},
           {"Mixed_6b", block_17(128)},
           {"Mixed_6c", block_17(160)},
           {"Mixed_6d", block_17(160)},
           {"Mixed_6e", block_17(192)}},
          {{"Mixed_7a", reduction_8()}, {"Mixed_7b", block_8()}, {"Mixed_7c", block_8()}}};
}
constexpr const char* kParts[] = {"backbone.body.Mixed_5", "backbone.body.Mixed_6", "backbone.body.Mixed_7"};

// The stem's convolutions, each with the stage that it is frozen with; a pooling follows the third and the last.
struct StemStep {
  InceptionBlock::Step step;
  int stage;
};
constexpr StemStep kStem[] = {{{"Conv2d_1a_3x3", 32, 3, 0, 2}, 1},
                              {{"Conv2d_2a_3x3", 32, 3}, 1},
                              {{"Conv2d_2b_3x3", 64, 3, 1}, 1},
                              {{"Conv2d_3b_1x1", 80}, 2},
                              {{"Conv2d_4a_3x3", 192, 3}, 2}};

ConvLayer make_layer(ParameterStore& store, const BackboneConfig& config, const std::string& prefix, int in_channels,
                     const InceptionBlock::Step& step, bool trainable) {
  return {store,
          {.name = prefix + step.name + ".conv",
           .norm_name = prefix + step.name + ".bn",
           .in_channels = in_channels,
           .out_channels = step.channels / config.width_divisor,
           .kernel = step.kernel,
           .stride = step.stride,
           .pad = step.pad,
           .norm = config.norm,
           .norm_groups = config.norm_groups,
           .epsilon = norm_epsilon_of(config),
           .trainable = trainable}};
}

}  // namespace

InceptionBlock::InceptionBlock(ParameterStore& store, const BackboneConfig& config, const std::string& name,
                               int in_channels, const Plan& plan, bool trainable) {
  for (const BranchPlan& branch : plan) {
    Branch& made = branches_.emplace_back(Branch{branch.pool, {}, {}});
    int channels = in_channels;
    const auto add = [&](std::vector<ConvLayer>& layers, const Step& step) {
      layers.push_back(make_layer(store, config, name + ".", channels, step, trainable));
      return layers.back().config().out_channels;
    };
    for (const Step& step : branch.steps) channels = add(made.steps, step);
    for (const Step& step : branch.ends) channels_ += add(made.ends, step);
    if (branch.ends.empty()) channels_ += channels;
  }
}

Tensor InceptionBlock::forward(Tape& tape, const Tensor& x) {
  std::vector<Tensor> outputs;
  for (Branch& branch : branches_) {
    Tensor y = x;
    if (branch.pool == Pool::Average) y = ops::average_pool(tape, y);
    if (branch.pool == Pool::Max) y = ops::max_pool(tape, y, ops::kUnpaddedPool);
    for (ConvLayer& layer : branch.steps) y = layer.forward(tape, y, /*relu=*/true);
    for (ConvLayer& layer : branch.ends) outputs.push_back(layer.forward(tape, y, /*relu=*/true));
    if (branch.ends.empty()) outputs.push_back(y);
  }
  return ops::concat(tape, outputs);
}

Inception::Inception(ParameterStore& store, const BackboneConfig& config) {
  int channels = 3;
  for (const auto& [step, stage] : kStem) {
    stem_.push_back(make_layer(store, config, names::kBackbone, channels, step, config.frozen_stages < stage));
    channels = stem_.back().config().out_channels;
  }
  int frozen_with = 3;
  for (const std::vector<Block>& blocks : stages()) {
    auto& stage = stages_.emplace_back();
    for (const Block& block : blocks) {
      stage.emplace_back(store, config, names::kBackbone + std::string(block.name), channels, block.plan,
                         config.frozen_stages < frozen_with);
      channels = stage.back().channels();
    }
    channels_[static_cast<size_t>(frozen_with++ - 3)] = channels;
  }
}

Features Inception::forward(Tape& tape, const Tensor& images) {
  require_image_size(images, kSmallestImage, "Inception v3");
  Tensor x = images;
  for (size_t i = 0; i < stem_.size(); ++i) {
    x = stem_[i].forward(tape, x, /*relu=*/true);
    if (i == 2 || i + 1 == stem_.size()) x = ops::max_pool(tape, x, ops::kUnpaddedPool);
  }
  std::array<Tensor, std::size(kParts)> c;
  for (size_t stage = 0; stage < std::size(kParts); ++stage) {
    tape.mark(kParts[stage]);
    for (InceptionBlock& block : stages_[stage]) x = block.forward(tape, x);
    c[stage] = x;
  }
  return {c[0], c[1], c[2]};
}

}  // namespace fovea
