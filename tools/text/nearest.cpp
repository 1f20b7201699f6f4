#include "tools/text/nearest.h"

#include <fmt/format.h>

#include <algorithm>

namespace fovea {

namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(const std::string& name, const std::vector<std::string>& known) {
  std::string best;
  size_t least = name.size() / 2 + 1;  // half of it mistyped is another word
  const auto consider = [&](const std::string& written, const std::string& candidate, size_t further) {
    const size_t lengths = std::max(written.size(), name.size()) - std::min(written.size(), name.size());
    if (lengths + further >= least) return;  // so many insertions at least
    const size_t distance = edit_distance(name, written) + further;
    if (distance >= least) return;
    least = distance;
    best = candidate;
  };
  for (const std::string& candidate : known) {
    consider(candidate, candidate, 0);
    // Also by the last part alone: "steps" means train.steps.
    if (const size_t dot = candidate.rfind('.'); dot != std::string::npos)
      consider(candidate.substr(dot + 1), candidate, 1);
  }
  return best;
}

}  // namespace

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  const std::string best = nearest(name, known);
  return best.empty() ? "" : fmt::format("; did you mean '{}'?", best);
}

}  // namespace fovea
