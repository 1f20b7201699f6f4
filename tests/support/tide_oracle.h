// TIDE's split of errors (Bolya et al. 2020, section 2), written down plainly: each gain from the whole data anew.
#pragma once
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/eval_scene.h"

namespace fovea::test::oracle {

struct Tide {
  double ap = 0;
  std::map<std::string, int> counts;
  std::map<std::string, double> gains;
};

struct TideVote {
  double score;
  int64_t category;
  std::string kind;         // "right", or the error
  int64_t mended_to = -99;  // the category in which it is right when mended; -99: mending drops it
};

inline double tide_iou(const Detection& d, const GroundTruth& g, bool of_detection = false) {
  const double w = std::min(d.x + d.w, g.x + g.w) - std::max(d.x, g.x);
  const double h = std::min(d.y + d.h, g.y + g.h) - std::max(d.y, g.y);
  if (w <= 0 || h <= 0) return 0;
  return w * h / (of_detection ? d.w * d.h : d.w * d.h + g.w * g.h - w * h);
}

// COCO's AP of a class from its votes, best first.
inline double tide_ap(const std::vector<bool>& right, double objects) {
  double sum = 0;
  for (int r = 0; r <= 100; ++r) {
    double best = 0, tp = 0;
    for (size_t i = 0; i < right.size(); ++i) {
      tp += right[i];
      if (tp / objects >= r * 0.01)
        best = std::max(best, tp / (static_cast<double>(i + 1) + std::numeric_limits<double>::epsilon()));
    }
    sum += best / 101;
  }
  return sum;
}

inline Tide tide(const Scene& scene) {
  Tide result;
  std::vector<TideVote> votes;
  std::map<int64_t, double> objects, missed;
  for (int64_t image = 0; image < 10; ++image) {
    std::vector<GroundTruth> truth, crowds;
    for (const auto& g : scene.truth)
      if (g.image_id == image) (g.crowd ? crowds : truth).push_back(g);
    std::vector<Detection> found;
    for (const auto& d : scene.found)
      if (d.image_id == image) found.push_back(d);
    std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.score > b.score; });
    for (const auto& g : truth) objects[g.category_id] += 1;
    std::set<size_t> used, mended;
    std::vector<int> match(found.size(), -1);
    for (size_t d = 0; d < found.size(); ++d) {  // who is right: COCO's greedy matching
      double best = 0.5;
      for (size_t g = 0; g < truth.size(); ++g) {
        const double iou = tide_iou(found[d], truth[g]);
        if (truth[g].category_id == found[d].category_id && !used.contains(g) && iou >= best)
          best = iou, match[d] = static_cast<int>(g);
      }
      if (match[d] >= 0) used.insert(match[d]);
    }
    for (size_t d = 0; d < found.size(); ++d) {
      const Detection& own = found[d];
      if (match[d] >= 0) {
        votes.push_back({own.score, own.category_id, "right"});
        continue;
      }
      const bool excused = std::any_of(crowds.begin(), crowds.end(), [&](const GroundTruth& g) {
        return g.category_id == own.category_id && tide_iou(own, g, true) >= 0.5;
      });
      if (excused) continue;
      double same = 0, other = 0;
      size_t same_at = 0, other_at = 0;
      for (size_t g = 0; g < truth.size(); ++g) {
        const double iou = tide_iou(own, truth[g]);
        if (truth[g].category_id == own.category_id && iou > same) same = iou, same_at = g;
        if (truth[g].category_id != own.category_id && iou > other) other = iou, other_at = g;
      }
      TideVote vote{own.score, own.category_id, "both"};
      size_t near = truth.size();
      if (same >= 0.1 && same <= 0.5)
        vote.kind = "localisation", near = same_at;
      else if (other >= 0.5)
        vote.kind = "class", near = other_at;
      else if (same > 0.5)
        vote.kind = "duplicate";
      else if (std::max(same, other) <= 0.1)
        vote.kind = "background";
      if (near < truth.size() && !used.contains(near) && mended.insert(near).second)
        vote.mended_to = truth[near].category_id;
      result.counts[vote.kind] += 1;
      votes.push_back(vote);
    }
    for (size_t g = 0; g < truth.size(); ++g)
      if (!used.contains(g) && !mended.contains(g)) missed[truth[g].category_id] += 1, result.counts["missed"] += 1;
  }
  std::stable_sort(votes.begin(), votes.end(), [](auto& a, auto& b) { return a.score > b.score; });
  const auto ap_with = [&](const std::string& mend) {
    double sum = 0, classes = 0;
    for (const auto& [category, count] : objects) {
      std::vector<bool> right;
      for (const TideVote& vote : votes) {
        const bool mends = vote.kind == mend;
        if ((mends ? vote.mended_to : vote.category) == category) right.push_back(mends || vote.kind == "right");
      }
      const double left = mend == "missed" ? count - missed[category] : count;
      if (left == 0) continue;
      sum += tide_ap(right, left);
      classes += 1;
    }
    return classes > 0 ? sum / classes : 1;
  };
  result.ap = ap_with("nothing");
  for (const char* kind : {"localisation", "class", "duplicate", "background", "both", "missed"})
    result.gains[kind] = std::max(0.0, ap_with(kind) - result.ap);
  return result;
}

}  // namespace fovea::test::oracle
