// Everything that defines a network and how its outputs are read: stored in checkpoints, printed in the run's config.
#pragma once
#include <array>
#include <vector>

#include "engine/norm.h"
#include "model/choices.h"

namespace fovea {

struct BackboneConfig {
  BackboneKind kind = BackboneKind::ResNet;
  int depth = 50;           // one of depths_of(kind)
  std::vector<int> layers;  // of a ResNet's four stages: blocks; of VGG's five: convolutions; empty: as the depth says
  int groups = 0;           // of a ResNeXt's 3×3 convolutions; 0: 32
  int group_width = 0;    // channels of a group in the first stage; 0: ResNet's 64 (128: Wide ResNet), ResNeXt's 4 or 8
  int width_divisor = 1;  // of all stages' widths
  int stem_width = 64;    // ResNet, ResNeXt
  Norm norm = Norm::FrozenBatch;
  int norm_groups = 32;   // Norm::Group
  int frozen_stages = 2;  // of five, from the input: a ResNet's are the stem and layer1 … layer4
};

struct FpnConfig {
  int channels = 256;
  bool p6_from_c5 = true;  // else from P5
};

struct HeadConfig {
  int convolutions = 4;
  Norm norm = Norm::None;  // or Group
  int norm_groups = 32;
  double prior = 0.01;  // probability of an object that the classifier starts with (section 4.1)
};

struct AnchorConfig {
  std::array<double, 5> sizes{32, 64, 128, 256, 512};  // one a level, P3 … P7
  std::vector<double> octaves{0, 1.0 / 3, 2.0 / 3};    // each size × 2^octave
  std::vector<double> ratios{0.5, 1, 2};               // height / width
  bool rounded = false;  // sizes cut to whole pixels and cells rounded, as torchvision; else exact, as the paper
  int per_location() const { return static_cast<int>(octaves.size() * ratios.size()); }
};

struct LossConfig {
  double alpha = 0.25, gamma = 2;  // alpha < 0: no α weights
  BoxLoss box = BoxLoss::SmoothL1;
  double beta = 1.0 / 9;  // of smooth L1
  std::array<double, 4> coder_weights{1, 1, 1, 1};
  LossNormalizer normalizer = LossNormalizer::PerBatch;
  double match_high = 0.5, match_low = 0.4;
  bool low_quality_matches = true;
};

struct DetectConfig {
  double score_threshold = 0.05;
  int candidates_per_level = 1000;
  double nms_threshold = 0.5;
  int per_image = 100;
  bool class_agnostic = false;
};

struct ModelConfig {
  BackboneConfig backbone;
  FpnConfig fpn;
  HeadConfig head;
  AnchorConfig anchors;
  LossConfig loss;
  DetectConfig detect;
  int classes = 80;
};

}  // namespace fovea
