// A study: trainings that differ in one thing, and what the paper claims about it (Lin et al. 2017, "Focal Loss for
// Dense Object Detection").
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tools/config/config.h"

namespace fovea {

// One of the things that are compared.
struct Variant {
  std::string name;                   // of its runs' folders: letters, digits and . - _
  std::vector<std::string> settings;  // key=value, which make it of the study's configuration, one after the other
  std::vector<std::string> labels;    // a cell for each of Study::columns
  double paper = -1;                  // its AP in the paper, in points (0 … 100); negative: the paper has none
};

// What the paper says of two of them, or of the best of two groups.
struct Claim {
  // `first` has a higher AP than `second`; has no higher one; diverges or has next to none beside it.
  enum class Kind : uint8_t { Better, NoBetter, Fails };
  std::string text;  // the paper's, with its numbers
  Kind kind = Kind::Better;
  std::vector<std::string> first, second;  // names of variants
};

struct Study {
  std::string name, title, about;
  std::string paper;  // what the paper's figures were measured on; empty: it has none
  std::vector<std::string> columns;
  std::vector<Variant> variants;
  std::vector<Claim> claims;
  bool speed = false;  // also AP by size of the objects and the time of an image, and figure 2: a line for each of the
                       // first column's labels
};

// The configuration of a variant's trainings. Throws Error(Usage) with the variant's name where it makes no sense.
Config config_of(const Config& base, const Variant& variant);

// Makes trainings of so many steps: warm-up and milestones of the learning rate shrink or grow with them, and so does
// how often the loss is logged.
void set_steps(Config& config, int64_t steps);

// A training of the study.
struct StudyRun {
  std::string name;
  size_t variant;  // in Study::variants
  Config config;
};
// "gamma-2-seed0".
std::string name_of_run(const Variant& variant, uint64_t seed);
// All of them, the first seed's first: so that the first results compare all variants.
std::vector<StudyRun> runs_of(const Study& study, const Config& base, int seeds);

}  // namespace fovea
