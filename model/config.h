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
  bool stride_in_1x1 = false;  // of a bottleneck: in its first convolution, as Caffe's ResNets; else in the 3×3
  Norm norm = Norm::FrozenBatch;
  int norm_groups = 32;      // Norm::Group
  double norm_epsilon = -1;  // added to variances; below 0: 1e-5, Inception's 1e-3
  int frozen_stages = 2;     // of five, from the input: a ResNet's are the stem and layer1 … layer4
};

struct FpnConfig {
  int channels = 256;
  bool p6_from_c5 = true;  // else from P5
  bool relu_before_p7 = true;
};

inline constexpr double kUsualPrior = 0.01;  // section 4.1

struct HeadConfig {
  int convolutions = 4;
  Norm norm = Norm::None;  // or Group
  int norm_groups = 32;
  double prior = kUsualPrior;  // probability of an object that the classifier starts with; 0.5: as if there were none
};

struct AnchorConfig {
  std::array<double, 5> sizes{32, 64, 128, 256, 512};  // one a level, P3 … P7
  std::vector<double> octaves{0, 1.0 / 3, 2.0 / 3};    // each size × 2^octave
  std::vector<double> ratios{0.5, 1, 2};               // height / width
  bool rounded = false;    // sizes cut to whole pixels and cells rounded, as torchvision; else exact, as the paper
  double offset = 0;       // of a location's anchors, in strides: 0.5 centers them on its square of the image
  bool inclusive = false;  // right and lower edges are of the last pixel: anchors are one wider and higher, as ODTK's
  int per_location() const { return static_cast<int>(octaves.size() * ratios.size()); }
};

struct LossConfig {
  LossKind kind = LossKind::Focal;
  double alpha = 0.25;                // of the target class, 1 − alpha of all others; < 0: no weights
  double gamma = 2;                   // Focal, FocalStar
  double star_beta = 1;               // FocalStar: β of appendix A
  int mining_batch = 512;             // Ohem: anchors of an image that are learned
  double mining_nms = 0.7;            // Ohem: of anchors that overlap more the harder one is learned
  int mining_ratio = 0;               // Ohem, Ssd: negatives of a positive; 0: any (Ssd: 3)
  std::vector<double> class_weights;  // factor of an anchor's loss by its class; empty: 1
  double effective_number = 0;        // class_weights from the counts of training boxes, by this β; 0: not
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
