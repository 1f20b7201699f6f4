#include "tools/study/paper_studies.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/error.h"
#include "model/backbone/backbone.h"
#include "tools/config/fields.h"
#include "tools/text/nearest.h"

namespace fovea {
namespace {

constexpr const char* kAblation = "COCO minival, ResNet-50, images of 600 pixels";

// "model.loss.gamma=0.0": a number that TOML takes for one with a fraction.
// The focal loss; with γ = 0 it is cross entropy.
std::string loss_settings(const char* alpha, const char* gamma) {
  return fmt::format("model.loss.kind=focal model.loss.alpha={} model.loss.gamma={}", alpha, gamma);
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> all;
  size_t begin = 0;
  for (size_t end = text.find(' '); begin < text.size(); end = text.find(' ', begin)) {
    all.push_back(text.substr(begin, end - begin));
    begin = end == std::string::npos ? text.size() : end + 1;
  }
  return all;
}

Study alpha_study(const Config&) {
  Study study{.about = "Cross entropy in which objects weigh α and background 1 − α, for several α.",
              .paper = kAblation,
              .columns = {"α"}};
  const struct {
    const char* alpha;
    double paper;
  } rows[] = {{"0.10", 0},    {"0.25", 10.8}, {"0.50", 30.2}, {"0.75", 31.1},
              {"0.90", 30.8}, {"0.99", 28.7}, {"0.999", 25.1}};
  for (const auto& [alpha, paper] : rows)
    study.variants.push_back({fmt::format("alpha-{}", alpha), words(loss_settings(alpha, "0.0")), {alpha}, paper});
  study.claims = {
      {"α = 0.75 gives a gain over α = 0.5, which is plain cross entropy (31.1 and 30.2 AP)",
       Claim::Kind::Better,
       {"alpha-0.75"},
       {"alpha-0.50"}},
      {"a small α, which lets the background weigh most, fails (α = 0.1: 0.0 AP)",
       Claim::Kind::Fails,
       {"alpha-0.10"},
       {"alpha-0.75"}},
      {"a very large α loses too (α = 0.999: 25.1 AP)", Claim::Kind::Better, {"alpha-0.75"}, {"alpha-0.999"}},
  };
  return study;
}

Study gamma_study(const Config&) {
  Study study{.about =
                  "The focal loss for several γ, each with the α that the paper found best for it, below cross "
                  "entropy (CE) without and with α.",
              .paper = kAblation,
              .columns = {"loss", "γ", "α"}};
  study.variants = {{"ce", words(loss_settings("-1.0", "0.0")), {"CE", "0", "none"}, 30.2},
                    {"alpha-ce", words(loss_settings("0.75", "0.0")), {"α-CE", "0", ".75"}, 31.1}};
  const struct {
    const char *gamma, *alpha, *label;
    double paper;
  } rows[] = {{"0.1", "0.75", ".75", 31.4}, {"0.2", "0.75", ".75", 31.9}, {"0.5", "0.50", ".50", 32.9},
              {"1.0", "0.25", ".25", 33.7}, {"2.0", "0.25", ".25", 34.0}, {"5.0", "0.25", ".25", 32.2}};
  for (const auto& [gamma, alpha, label, paper] : rows)
    study.variants.push_back(
        {fmt::format("gamma-{}", gamma), words(loss_settings(alpha, gamma)), {"FL", gamma, label}, paper});
  study.claims = {
      {"the focal loss beats cross entropy (with γ = 2: 34.0 AP, cross entropy with α: 31.1)",
       Claim::Kind::Better,
       {"gamma-0.1", "gamma-0.2", "gamma-0.5", "gamma-1.0", "gamma-2.0", "gamma-5.0"},
       {"ce", "alpha-ce"}},
      {"γ = 2 and its α are enough for that (34.0 and 31.1 AP)", Claim::Kind::Better, {"gamma-2.0"}, {"alpha-ce"}},
      {"cross entropy with α beats that without (31.1 and 30.2 AP)", Claim::Kind::Better, {"alpha-ce"}, {"ce"}},
      {"γ = 2 beats γ = 5, which is too much (34.0 and 32.2 AP)", Claim::Kind::Better, {"gamma-2.0"}, {"gamma-5.0"}},
  };
  return study;
}

Study anchors_study(const Config&) {
  Study study{.about = "Anchors at each location: so many scales within an octave, times so many aspect ratios.",
              .paper = kAblation,
              .columns = {"scales", "aspect ratios"}};
  // Sub-octave scales 2^(k/4), k ≤ 3, and the ratios 1:2, 1:1, 2:1 (section 5.2); three scales are thirds of an octave.
  const char* octaves[] = {"[0.0]", "[0.0,0.5]", "[0.0,0.3333333333333333,0.6666666666666666]", "[0.0,0.25,0.5,0.75]"};
  const struct {
    size_t scales, ratios;
    double paper;
  } rows[] = {{1, 1, 30.3}, {2, 1, 31.9}, {3, 1, 31.8}, {4, 1, -1},
              {1, 3, 32.4}, {2, 3, 34.2}, {3, 3, 34.0}, {4, 3, 33.8}};
  for (const auto& [scales, ratios, paper] : rows)
    study.variants.push_back({fmt::format("anchors-{}x{}", scales, ratios),
                              {fmt::format("model.anchors.octaves={}", octaves[scales - 1]),
                               fmt::format("model.anchors.ratios={}", ratios == 1 ? "[1.0]" : "[0.5,1.0,2.0]")},
                              {std::to_string(scales), std::to_string(ratios)},
                              paper});
  study.claims = {
      {"3 scales and 3 aspect ratios beat a single square anchor (34.0 and 30.3 AP)",
       Claim::Kind::Better,
       {"anchors-3x3"},
       {"anchors-1x1"}},
      {"3 aspect ratios beat one (at one scale: 32.4 and 30.3 AP)",
       Claim::Kind::Better,
       {"anchors-1x3"},
       {"anchors-1x1"}},
      {"beyond 6 to 9 anchors nothing is gained (4 × 3: 33.8, 2 × 3 and 3 × 3: 34.2 and 34.0 AP)",
       Claim::Kind::NoBetter,
       {"anchors-4x3"},
       {"anchors-2x3", "anchors-3x3"}},
  };
  return study;
}

Study mining_study(const Config&) {
  Study study{
      .about =
          "Online hard example mining (OHEM) keeps the anchors of an image with the highest losses, after "
          "suppression of their neighbors, in some variants with three background anchors to an object's; "
          "SSD's keeps the hardest background, 3:1. Both learn cross entropy without α. The focal loss (FL) keeps all "
          "anchors.",
      .paper = "COCO minival, ResNet-101, images of 600 pixels",
      .columns = {"method", "batch size", "nms thr"}};
  const struct {
    const char *batch, *nms;
    bool ratio;
    double paper;
  } rows[] = {{"128", "0.7", false, 31.1}, {"256", "0.7", false, 31.8}, {"512", "0.7", false, 30.6},
              {"128", "0.5", false, 32.8}, {"256", "0.5", false, 31.0}, {"512", "0.5", false, 27.6},
              {"128", "0.5", true, 31.1},  {"256", "0.5", true, 28.3},  {"512", "0.5", true, 24.0}};
  std::vector<std::string> mined;
  for (const auto& [batch, nms, ratio, paper] : rows) {
    mined.push_back(fmt::format("ohem{}-{}-nms-{}", ratio ? "-1to3" : "", batch, nms));
    study.variants.push_back(
        {mined.back(),
         {"model.loss.kind=ohem", "model.loss.alpha=-1.0", fmt::format("model.loss.mining_batch={}", batch),
          fmt::format("model.loss.mining_nms={}", nms), fmt::format("model.loss.mining_ratio={}", ratio ? 3 : 0)},
         {ratio ? "OHEM 1:3" : "OHEM", batch, nms},
         paper});
  }
  study.variants.push_back({"ssd", {"model.loss.kind=ssd", "model.loss.alpha=-1.0"}, {"SSD 1:3", "n/a", "n/a"}});
  mined.emplace_back("ssd");
  study.variants.push_back({"focal", words(loss_settings("0.25", "2.0")), {"FL", "n/a", "n/a"}, 36.0});
  study.claims = {{"the focal loss beats the best of hard example mining (36.0 and 32.8 AP)",
                   Claim::Kind::Better,
                   {"focal"},
                   mined}};
  return study;
}

// The paper's 50 and 101 layers, or what the kind has that is nearest in cost to the configuration's.
std::vector<int> compared_depths(const BackboneConfig& backbone) {
  switch (backbone.kind) {
    case BackboneKind::ResNet:
      if (backbone.depth < 50) return {18, 34};
      return {50, 101};
    case BackboneKind::ResNeXt:
      return {50, 101};
    case BackboneKind::Vgg:
      return {11, 16};
    case BackboneKind::Inception:
      break;
  }
  return {usual_depth(backbone.kind)};
}

std::vector<std::string> backbone_settings(BackboneKind kind, int depth) {
  return {fmt::format("model.backbone.kind={}", word_of(kind)), fmt::format("model.backbone.depth={}", depth),
          "model.backbone.layers=[]"};
}

// As "[112,120,128]": the configuration's sizes, of which the last one detects, made `eighths` / 8 as large.
std::string scaled_sides(const InputConfig& input, int eighths) {
  std::vector<int> sides;
  for (const int side : input.short_side) sides.push_back((side * eighths + 4) / 8);
  return fmt::format("[{}]", fmt::join(sides, ","));
}

Study scale_study(const Config& config) {
  Study study{.about =
                  "Depth of the backbone times size of the images: what accuracy costs. Sizes are 4/8 to 8/8 of "
                  "the configuration's, in training as in detection.",
              .paper = "COCO test-dev, images of 400 to 800 pixels",
              .columns = {"depth", "scale"},
              .speed = true};
  constexpr double kPaper[2][5] = {{30.5, 32.5, 34.3, 35.1, 35.7}, {31.9, 34.4, 36.0, 37.1, 37.8}};
  const auto depths = compared_depths(config.model.backbone);
  const int largest = config.input.short_side.back();
  const bool as_the_paper = config.model.backbone.kind == BackboneKind::ResNet && depths[0] == 50 && largest == 800;
  const auto name = [&](int depth, int eighths) {
    return fmt::format("depth-{}-size-{}", depth, (largest * eighths + 4) / 8);
  };
  for (size_t d = 0; d < depths.size(); ++d) {
    for (int eighths = 4; eighths <= 8; ++eighths) {
      std::vector<std::string> settings = backbone_settings(config.model.backbone.kind, depths[d]);
      settings.push_back("input.short_side=" + scaled_sides(config.input, eighths));
      settings.push_back(fmt::format("input.long_side={}", (config.input.long_side * eighths + 4) / 8));
      study.variants.push_back({name(depths[d], eighths),
                                settings,
                                {std::to_string(depths[d]), std::to_string((largest * eighths + 4) / 8)},
                                as_the_paper ? kPaper[d][eighths - 4] : -1});
    }
  }
  study.claims = {{"larger images give higher accuracy (800 pixels: 35.7, 400: 30.5 AP)",
                   Claim::Kind::Better,
                   {name(depths[0], 8)},
                   {name(depths[0], 4)}}};
  if (depths.size() > 1)
    study.claims.push_back({"a deeper backbone gives higher accuracy (101 layers: 37.8, 50: 35.7 AP)",
                            Claim::Kind::Better,
                            {name(depths[1], 8)},
                            {name(depths[0], 8)}});
  return study;
}

Study prior_study(const Config&) {
  Study study{.about =
                  "The probability π of an object that the classifier starts with, for cross entropy (CE) and the "
                  "focal loss (FL); π = 0.5 is the usual start, without a prior.",
              .paper = kAblation,
              .columns = {"loss", "π"}};
  for (const bool focal : {false, true}) {
    for (const char* prior : {"0.01", "0.5"}) {
      std::vector<std::string> settings = words(focal ? loss_settings("0.25", "2.0") : loss_settings("-1.0", "0.0"));
      settings.push_back(fmt::format("model.head.prior={}", prior));
      const bool has_prior = std::string_view(prior) == "0.01";
      study.variants.push_back({fmt::format("{}-prior-{}", focal ? "fl" : "ce", prior),
                                settings,
                                {focal ? "FL" : "CE", prior},
                                !has_prior ? -1
                                : focal    ? 34.0
                                           : 30.2});
    }
  }
  study.claims = {{"cross entropy fails quickly without the prior, and learns with it (diverged, and 30.2 AP)",
                   Claim::Kind::Fails,
                   {"ce-prior-0.5"},
                   {"ce-prior-0.01"}}};
  return study;
}

Study backbone_study(const Config& config) {
  Study study{.about = "Backbones of several kinds and depths, everything else being equal.",
              .paper = "COCO test-dev, images of 800 pixels (ResNet: table 1e)",
              .columns = {"backbone"}};
  struct Row {
    BackboneKind kind;
    int depth;
    double paper = -1;
  };
  std::vector<Row> rows{{BackboneKind::ResNet, 18}, {BackboneKind::ResNet, 34}, {BackboneKind::ResNet, 50}};
  const bool large = config.model.backbone.kind != BackboneKind::ResNet || config.model.backbone.depth >= 50;
  if (large)
    rows = {{BackboneKind::ResNet, 50, 35.7},
            {BackboneKind::ResNet, 101, 37.8},
            {BackboneKind::ResNeXt, 50},
            {BackboneKind::ResNeXt, 101}};
  if (!large) study.about += " ResNeXt is left out: it has 50 layers or more, and the configuration's backbone fewer.";
  rows.push_back({BackboneKind::Vgg, 16});
  rows.push_back({BackboneKind::Inception, usual_depth(BackboneKind::Inception)});
  for (const auto& [kind, depth, paper] : rows) {
    const auto settings = backbone_settings(kind, depth);
    BackboneConfig named;
    change_kind(named, kind);
    named.depth = depth;
    study.variants.push_back({fmt::format("{}-{}", word_of(kind), depth), settings, {backbone_name(named)}, paper});
  }
  study.claims = {{"a deeper backbone gives higher accuracy (ResNet-101: 37.8, ResNet-50: 35.7 AP)",
                   Claim::Kind::Better,
                   {study.variants[1].name},
                   {study.variants[0].name}}};
  if (large)
    study.claims.push_back(
        {"ResNeXt-101 beats ResNet-101 (by 1.7 AP, table 2)", Claim::Kind::Better, {"resnext-101"}, {"resnet-101"}});
  return study;
}

}  // namespace

const std::vector<PaperStudy>& paper_studies() {
  static const std::vector<PaperStudy> all{
      {"alpha", "Table 1a: cross entropy with several α", alpha_study},
      {"gamma", "Table 1b: the focal loss with several γ", gamma_study},
      {"anchors", "Table 1c: scales and aspect ratios of anchors", anchors_study},
      {"mining", "Table 1d: the focal loss and hard example mining", mining_study},
      {"scale", "Table 1e, figure 2: accuracy and speed by depth and image size", scale_study},
      {"prior", "Section 5.1: cross entropy and focal loss with and without prior", prior_study},
      {"backbone", "Tables 1e and 2: backbones", backbone_study},
  };
  return all;
}

Study paper_study(const std::string& name, const Config& config) {
  std::vector<std::string> names;
  for (const PaperStudy& known : paper_studies()) {
    names.emplace_back(known.name);
    if (name != known.name) continue;
    Study study = known.make(config);
    study.name = known.name;
    study.title = known.title;
    return study;
  }
  throw Error(ErrorKind::Usage, fmt::format("unknown study '{}'{} (studies: {})", name, did_you_mean(name, names),
                                            fmt::join(names, ", ")));
}

}  // namespace fovea
