#include "tools/study/verdict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace fovea {
namespace {

using ComparedAs = Comparison::Verdict;

constexpr size_t kEnoughSeeds = 6;  // that agree: 2 · 2^-6 = 1/32

std::string signed_points(double difference) {
  return fmt::format("{:+.{}f} AP", 100 * difference, std::abs(difference) < 0.001 ? 2 : 1);
}

// Of pairs of trainings with the same seed: +1 where the first is better in all, −1 where it is worse in all, else 0.
int common_sign(const VariantResult& first, const VariantResult& second, size_t& pairs) {
  pairs = 0;
  int sign = 0;
  for (size_t seed = 0; seed < std::min(first.runs.size(), second.runs.size()); ++seed) {
    const RunResult &one = *first.runs[seed], &other = *second.runs[seed];
    if (one.state != RunResult::State::Done || other.state != RunResult::State::Done) continue;
    const int now = one.metrics[0] > other.metrics[0] ? 1 : one.metrics[0] < other.metrics[0] ? -1 : 0;
    if (now == 0 || (pairs > 0 && now != sign)) return 0;
    sign = now;
    ++pairs;
  }
  return sign;
}

// The one of the named with the highest AP: what diverged only where all did. Nothing where one is not known, since it
// could be the best.
const VariantResult* best_of(const Study& study, const std::vector<VariantResult>& results,
                             const std::vector<std::string>& names, std::vector<std::string>& missing) {
  const VariantResult* best = nullptr;
  for (size_t v = 0; v < study.variants.size(); ++v) {
    if (std::find(names.begin(), names.end(), study.variants[v].name) == names.end()) continue;
    const VariantResult& result = results[v];
    if (!result.known() && !result.all_diverged()) missing.push_back(label_text(study, v));
    if (best == nullptr || (result.known() && (!best->known() || result.ap().mean > best->ap().mean))) best = &result;
  }
  return best;
}

std::string values_text(const Claim& claim, const VariantResult& first, const VariantResult& second) {
  const auto chosen = [](size_t of) { return of > 1 ? fmt::format(" (the best of {})", of) : std::string(); };
  return fmt::format("AP {}{} against {}{}", points_text(first, 0), chosen(claim.first.size()), points_text(second, 0),
                     chosen(claim.second.size()));
}

std::string worth_of(const Comparison& comparison) {
  if (std::isinf(comparison.difference)) return "";
  const std::string difference = fmt::format(", a difference of {}", signed_points(comparison.difference));
  if (comparison.verdict == ComparedAs::OneSeed) return difference;
  if (comparison.agreeing_seeds > 0)
    return fmt::format("{} with the same sign in each of {} seeds", difference, comparison.agreeing_seeds);
  const bool within = comparison.verdict == ComparedAs::Within;
  return fmt::format("{}, which is {} the spread between seeds ({:.1f})", difference, within ? "within" : "more than",
                     100 * comparison.spread);
}

// Whether `comparison` is that of something that has failed beside what has not: it diverged, or has next to no AP.
bool has_failed(const Comparison& comparison, const VariantResult& first, const VariantResult& second) {
  constexpr double kNextToNothing = 0.1;  // of the other's
  if (comparison.verdict != ComparedAs::Lower) return false;
  return first.all_diverged() || first.ap().mean < kNextToNothing * second.ap().mean;
}

CheckedClaim::Outcome outcome_of(Claim::Kind kind, const Comparison& comparison, const VariantResult& first,
                                 const VariantResult& second) {
  using Outcome = CheckedClaim::Outcome;
  const auto either = [](bool shows) { return shows ? Outcome::Shows : Outcome::ShowsNot; };
  if (comparison.verdict == ComparedAs::Unknown || comparison.verdict == ComparedAs::OneSeed) return Outcome::Open;
  if (kind == Claim::Kind::Fails) return either(has_failed(comparison, first, second));
  if (comparison.verdict != ComparedAs::Within)
    return either((comparison.verdict == ComparedAs::Higher) == (kind == Claim::Kind::Better));
  return kind == Claim::Kind::NoBetter && comparison.difference <= 0 ? Outcome::Shows : Outcome::Open;
}

std::string verdict_text(Claim::Kind kind, const Comparison& comparison, CheckedClaim::Outcome outcome) {
  if (comparison.verdict == ComparedAs::Unknown) return "Not checked";
  if (comparison.verdict == ComparedAs::OneSeed) {
    if (comparison.difference == 0) return "Not decided: one seed shows no difference";
    const bool agrees = (comparison.difference > 0) == (kind == Claim::Kind::Better);
    return fmt::format("Not decided: one seed points {}, and does not tell how much of it is chance",
                       agrees ? "the paper's way" : "another way");
  }
  if (outcome == CheckedClaim::Outcome::Open) return "On this data that is not decided";
  return outcome == CheckedClaim::Outcome::Shows ? "On this data the claim shows"
                                                 : "On this data the claim does not hold";
}

}  // namespace

Comparison compare(const VariantResult& first, const VariantResult& second) {
  Comparison comparison;
  if (first.all_diverged() || second.all_diverged()) {
    if (first.all_diverged() == second.all_diverged() || !(first.known() || second.known())) return comparison;
    comparison.verdict = second.all_diverged() ? ComparedAs::Higher : ComparedAs::Lower;
    comparison.difference = second.all_diverged() ? INFINITY : -INFINITY;
    return comparison;
  }
  if (!first.known() || !second.known()) return comparison;
  comparison.difference = first.ap().mean - second.ap().mean;
  comparison.verdict = ComparedAs::OneSeed;
  if (!first.ap().deviation || !second.ap().deviation) return comparison;
  comparison.spread = std::max(*first.ap().deviation, *second.ap().deviation);
  size_t pairs = 0;
  const int sign = common_sign(first, second, pairs);
  const bool within = std::abs(comparison.difference) <= comparison.spread;
  if (within && sign != 0 && pairs >= kEnoughSeeds) comparison.agreeing_seeds = pairs;
  comparison.verdict = within && comparison.agreeing_seeds == 0 ? ComparedAs::Within
                       : comparison.difference > 0              ? ComparedAs::Higher
                                                                : ComparedAs::Lower;
  return comparison;
}

std::vector<CheckedClaim> check_claims(const Study& study, const std::vector<VariantResult>& results) {
  std::vector<CheckedClaim> checked;
  for (const Claim& claim : study.claims) {
    std::vector<std::string> missing;
    const VariantResult* first = best_of(study, results, claim.first, missing);
    const VariantResult* second = best_of(study, results, claim.second, missing);
    Comparison comparison;
    if (missing.empty() && first != nullptr && second != nullptr) comparison = compare(*first, *second);
    const bool known = comparison.verdict != ComparedAs::Unknown;
    const auto outcome = known ? outcome_of(claim.kind, comparison, *first, *second) : CheckedClaim::Outcome::Open;
    std::string finding = verdict_text(claim.kind, comparison, outcome);
    if (!missing.empty())
      finding += fmt::format(": {} {} no result", fmt::join(missing, "; "), missing.size() == 1 ? "has" : "have");
    else if (!known)
      finding += ": both diverged";
    else
      finding += fmt::format(": {}{}", values_text(claim, *first, *second), worth_of(comparison));
    checked.push_back({claim.text, finding + ".", outcome});
  }
  return checked;
}

int best_variant(const std::vector<VariantResult>& results) {
  int best = -1;
  size_t known = 0, alike = 0;  // to the best one
  for (size_t v = 0; v < results.size(); ++v) {
    if (!results[v].known()) continue;
    ++known;
    const double lead = best < 0 ? 1 : results[v].ap().mean - results[static_cast<size_t>(best)].ap().mean;
    if (lead > 0) best = static_cast<int>(v);
    alike = lead > 0 ? 1 : alike + (lead == 0 ? 1 : 0);
  }
  return known > 1 && alike == known ? -1 : best;
}

bool as_good_as_best(const std::vector<VariantResult>& results, size_t variant) {
  const int best = best_variant(results);
  if (best < 0 || static_cast<size_t>(best) == variant) return false;
  return compare(results[static_cast<size_t>(best)], results[variant]).verdict == ComparedAs::Within;
}

std::string best_sentence(const Study& study, const std::vector<VariantResult>& results) {
  const int best = best_variant(results);
  if (best < 0) {
    const auto first = std::find_if(results.begin(), results.end(), [](auto& result) { return result.known(); });
    if (first == results.end()) return "No training has a result yet.";
    return fmt::format("All have the same AP, {}: there is nothing to compare.", points_text(*first, 0));
  }
  const VariantResult& result = results[static_cast<size_t>(best)];
  std::string text = fmt::format("The highest AP is that of {}: {}.", label_text(study, static_cast<size_t>(best)),
                                 points_text(result, 0));
  if (!result.ap().deviation)
    return text + " With one seed nobody knows how much of a difference is chance: several seeds tell.";
  std::vector<std::string> alike, undecided;
  for (size_t v = 0; v < results.size(); ++v) {
    if (v == static_cast<size_t>(best)) continue;
    const ComparedAs verdict = compare(result, results[v]).verdict;
    if (verdict == ComparedAs::Within) alike.push_back(label_text(study, v));
    if (verdict == ComparedAs::Unknown || verdict == ComparedAs::OneSeed) undecided.push_back(label_text(study, v));
  }
  if (!alike.empty())
    text += fmt::format(" The difference is within the spread between seeds, and may be chance, for: {}.",
                        fmt::join(alike, "; "));
  if (!undecided.empty()) text += fmt::format(" Too few results for: {}.", fmt::join(undecided, "; "));
  if (alike.empty() && undecided.empty()) text += " All others are lower by more than the spread between seeds.";
  return text;
}

std::string points_text(double share) { return share < 0 ? "–" : fmt::format("{:.1f}", 100 * share); }

std::string points_text(const VariantResult& result, size_t metric) {
  const Spread& spread = result.metrics[metric];
  if (spread.count == 0) {
    if (result.all_diverged()) return "diverged";
    return result.failed > 0 && result.open == 0 ? "failed" : "–";
  }
  const std::string mean = points_text(spread.mean);
  return spread.deviation ? fmt::format("{} ± {:.1f}", mean, 100 * *spread.deviation) : mean;
}

std::string label_text(const Study& study, size_t variant) {
  std::string text;
  for (size_t i = 0; i < study.columns.size(); ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", study.columns[i], study.variants[variant].labels[i]);
  return text;
}

}  // namespace fovea
