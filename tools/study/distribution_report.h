// What a distribution of the loss says: a table, a chart, a file of numbers and a page.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "tools/report/chart.h"
#include "tools/study/loss_distribution.h"

namespace fovea {

inline constexpr size_t kMostGammas = 6;  // as many as a chart has colors

// Of one γ.
struct GammaShares {
  static constexpr double kHardestNegatives[] = {0.001, 0.01, 0.1}, kHardestPositives = 0.2;
  double gamma;
  double negatives[3];     // of the loss of all negatives, that the hardest of them have
  double positives;        // likewise
  double negatives_share;  // of the whole loss
};

class DistributionReport {
 public:
  // `subject` says which weights ran on which images. `gammas`: 1 … kMostGammas, ascending. `loss`: of the weights'
  // configuration; its α weights positives against negatives.
  DistributionReport(std::string subject, const LossDistribution& distribution, const std::vector<double>& gammas,
                     const LossConfig& loss);

  const std::vector<GammaShares>& shares() const { return shares_; }
  std::string table() const;                   // for a terminal
  std::string csv() const;                     // the curves
  std::string page() const;                    // HTML that needs nothing beside itself
  std::vector<std::string> sentences() const;  // what the numbers say, in words
  const Chart& chart() const { return chart_; }

 private:
  struct Set {  // the positives, or the negatives
    const char* name;
    int64_t count;
    std::vector<LossCurve> curves;  // one for each γ
  };
  std::vector<std::vector<std::string>> rows() const;
  Chart drawn() const;

  std::string subject_;
  LossConfig loss_;
  std::vector<double> gammas_;
  int64_t images_, ignored_;
  Set positives_, negatives_;
  std::vector<GammaShares> shares_;
  Chart chart_;
};

// The files of write_distribution().
inline constexpr const char* kDistributionFiles[] = {"index.html", "distribution.csv", "distribution.png",
                                                     "distribution.svg"};
// Into the folder, which is made. Throws ErrorKind::Runtime when something cannot be written.
void write_distribution(const std::filesystem::path& folder, const DistributionReport& report);

}  // namespace fovea
