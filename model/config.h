// Everything that defines a network and how its outputs are read: stored in checkpoints, printed in the run's config.
#pragma once
#include <array>
#include <vector>

#include "engine/norm.h"
#include "model/choices.h"

namespace fovea {

struct BackboneConfig {
  int depth = 50;           // 18, 34, 50, 101, 152
  std::vector<int> layers;  // blocks of the four stages; empty: those of the depth
  int width_divisor = 1;    // of the four stages' widths (64, 128, 256, 512)
  int stem_width = 64;
  Norm norm = Norm::FrozenBatch;
  int norm_groups = 32;   // Norm::Group
  int frozen_stages = 2;  // from the input: 1 = the stem, 2 = the stem and layer1 … 5 = all
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
