// What a study's numbers say of the paper's claims, and no more than they say. A difference between two variants counts
// where it is larger than the spread between seeds, the larger of their sample standard deviations; or where each of
// six seeds and more points the same way, which chance does in at most one of 32 cases.
#pragma once
#include <string>
#include <vector>

#include "tools/study/run_result.h"

namespace fovea {

struct Comparison {
  enum class Verdict : uint8_t { Unknown, OneSeed, Higher, Within, Lower };  // the first's AP, beside the second's
  Verdict verdict = Verdict::Unknown;
  double difference = 0, spread = 0;  // of AP, 0 … 1
  size_t agreeing_seeds = 0;          // all of them, where that decides
};
// What diverged in all seeds is below all that did not. OneSeed: the difference is known, and not what it is worth.
Comparison compare(const VariantResult& first, const VariantResult& second);

struct CheckedClaim {
  std::string claim, finding;  // sentences
  enum class Outcome : uint8_t { Shows, ShowsNot, Open } outcome = Outcome::Open;
};
std::vector<CheckedClaim> check_claims(const Study& study, const std::vector<VariantResult>& results);

// The variant with the highest mean AP; -1 where none has one, or all of several have the same.
int best_variant(const std::vector<VariantResult>& results);
// Whether its AP is below the best one's by no more than the spread, so that the best one may be so by chance.
bool as_good_as_best(const std::vector<VariantResult>& results, size_t variant);

// "Best is …": which one has the highest AP, and which others may be as good.
std::string best_sentence(const Study& study, const std::vector<VariantResult>& results);

// AP in points, as the paper prints it: "31.1 ± 0.4"; "diverged", "failed", "–".
std::string points_text(const VariantResult& result, size_t metric);
std::string points_text(double share);

// The variant's name for a sentence: "γ = 2, α = .25".
std::string label_text(const Study& study, size_t variant);

}  // namespace fovea
