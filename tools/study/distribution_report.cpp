#include "tools/study/distribution_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tools/report/html.h"
#include "tools/report/table.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace {

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

// "1,234,567"
std::string grouped(int64_t count) {
  const std::string digits = std::to_string(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

// Where a curve is read off: evenly, and closer to the hardest elements, which have most of the loss.
std::vector<double> shares_of_elements(int steps) {
  std::vector<double> shares;
  for (int i = 0; i < steps; ++i) shares.push_back(static_cast<double>(i) / steps);
  for (double rest = 0.5 / steps; rest > 1e-7; rest /= 2) shares.push_back(1 - rest);
  shares.push_back(1);
  return shares;
}

const std::vector<std::string> kHeader{"γ",
                                       "hardest 0.1 % of negatives",
                                       "hardest 1 %",
                                       "hardest 10 %",
                                       "hardest 20 % of positives",
                                       "all negatives, of the whole loss"};

std::vector<LossCurve> curves_of(const LossHistogram& histogram, const std::vector<double>& gammas) {
  std::vector<LossCurve> curves;
  for (const double gamma : gammas) curves.emplace_back(histogram, gamma);
  return curves;
}

}  // namespace

DistributionReport::DistributionReport(std::string subject, const LossDistribution& distribution,
                                       const std::vector<double>& gammas, const LossConfig& loss)
    : subject_(std::move(subject)),
      loss_(loss),
      gammas_(gammas),
      images_(distribution.images),
      ignored_(distribution.ignored),
      positives_{"positives", distribution.positives.count(), curves_of(distribution.positives, gammas)},
      negatives_{"negatives", distribution.negatives.count(), curves_of(distribution.negatives, gammas)} {
  const bool weighted = loss.alpha >= 0;
  for (size_t g = 0; g < gammas.size(); ++g) {
    GammaShares of{.gamma = gammas[g], .negatives = {}, .positives = 0, .negatives_share = 0};
    for (size_t i = 0; i < std::size(of.negatives); ++i)
      of.negatives[i] = negatives_.curves[g].of_hardest(GammaShares::kHardestNegatives[i]);
    of.positives = positives_.curves[g].of_hardest(GammaShares::kHardestPositives);
    const double by_negatives = (weighted ? 1 - loss.alpha : 1) * negatives_.curves[g].total(),
                 by_positives = (weighted ? loss.alpha : 1) * positives_.curves[g].total();
    if (by_negatives > 0) of.negatives_share = by_negatives / (by_negatives + by_positives);
    shares_.push_back(of);
  }
  chart_ = drawn();
}

std::vector<std::vector<std::string>> DistributionReport::rows() const {
  std::vector<std::vector<std::string>> rows;
  for (const GammaShares& of : shares_)
    rows.push_back({fmt::format("{:g}", of.gamma), percent(of.negatives[0]), percent(of.negatives[1]),
                    percent(of.negatives[2]), percent(of.positives), percent(of.negatives_share)});
  return rows;
}

std::string DistributionReport::table() const {
  Table table(kHeader);
  for (auto& row : rows()) table.add(row);
  return table.text();
}

std::vector<std::string> DistributionReport::sentences() const {
  const GammaShares &low = shares_.front(), &high = shares_.back();
  const bool several = shares_.size() > 1;
  const auto at_low = [&](double share) {
    return several ? fmt::format(" (γ = {:g}: {})", low.gamma, percent(share)) : std::string();
  };
  std::string first = fmt::format("At γ = {:g} the hardest 1 % of the {} negatives have {} of their loss{}", high.gamma,
                                  grouped(negatives_.count), percent(high.negatives[1]), at_low(low.negatives[1]));
  first += high.negatives[1] >= 0.9 ? ": the easy 99 % hardly count."
                                    : fmt::format(": the other 99 % still have {}.", percent(1 - high.negatives[1]));
  if (positives_.count == 0) return {first, "No anchor learns an object, so there is no loss of positives."};
  const std::string whole = percent(high.negatives_share);
  const char* change = high.negatives_share < low.negatives_share ? "down" : "up";
  std::string second = fmt::format("Of the {} positives, the hardest 20 % have {} of their loss{}; ",
                                   grouped(positives_.count), percent(high.positives), at_low(low.positives));
  second += whole == percent(low.negatives_share)
                ? fmt::format("negatives make {} of the whole loss.", whole)
                : fmt::format("negatives make {} of the whole loss, {} from {} at γ = {:g}.", whole, change,
                              percent(low.negatives_share), low.gamma);
  return {first, second};
}

Chart DistributionReport::drawn() const {
  Chart chart{.title = "Cumulative loss, as a share of all of it", .x_label = "", .panels = {}};
  for (const Set* set : {&positives_, &negatives_}) {
    if (set->count == 0) continue;
    Panel panel{.title = fmt::format("{} at γ =", set->name),
                .series = {},
                .x_label = fmt::format("share of the {}, the easiest first", set->name),
                .shares = true};
    for (size_t g = 0; g < gammas_.size(); ++g) {
      Series series{.name = fmt::format("{:g}", gammas_[g]), .points = {}};
      for (const double share : shares_of_elements(400))
        series.points.push_back({share, set->curves[g].of_easiest(share)});
      panel.series.push_back(std::move(series));
    }
    chart.panels.push_back(std::move(panel));
  }
  return chart;
}

std::string DistributionReport::csv() const {
  std::string text =
      fmt::format("# {}: shares of the loss that the easiest elements have\nset,share_of_elements", kMark);
  for (const double gamma : gammas_) text += fmt::format(",gamma_{:g}", gamma);
  text += '\n';
  for (const Set* set : {&positives_, &negatives_}) {
    if (set->count == 0) continue;
    for (const double share : shares_of_elements(1000)) {
      text += fmt::format("{},{:.9g}", set->name, share);
      for (const LossCurve& curve : set->curves) text += fmt::format(",{:.7g}", curve.of_easiest(share));
      text += '\n';
    }
  }
  return text;
}

std::string DistributionReport::page() const {
  std::string text = fmt::format(
      "<h1>Distribution of the loss</h1>\n<p class=\"quiet\">{}<br>{} images, {} positives, {} negatives, {} "
      "ignored</p>\n",
      xml_escaped(subject_), grouped(images_), grouped(positives_.count), grouped(negatives_.count), grouped(ignored_));
  for (const std::string& sentence : sentences()) text += fmt::format("<p>{}</p>\n", xml_escaped(sentence));
  text += html_drawing(chart_drawing(chart_));
  std::vector<std::string> header;
  for (const std::string& name : kHeader) header.push_back(xml_escaped(name));
  text += "<h2>Shares of the loss</h2>\n" + html_table(header, rows());
  double error = 0;
  for (const double gamma : gammas_) error = std::max(error, share_error(gamma));
  text += fmt::format(
      "<p class=\"quiet\">As figure 4 of Lin et al. 2017, \"Focal Loss for Dense Object Detection\": the focal loss of "
      "a "
      "trained network, computed with each γ, of every class of every anchor of these images, without those that the "
      "loss "
      "ignores. A positive is the class of the object that an anchor learns; all other classes of all anchors are "
      "negatives. Positives and negatives are each sorted by their loss, which is divided by its sum. {} Every share "
      "is "
      "right within {:.2g} %.</p>\n",
      loss_.alpha >= 0 ? fmt::format("The last column weights positives with α = {:g} and negatives with {:g}, as the "
                                     "weights' configuration says (trained with γ = {:g}).",
                                     loss_.alpha, 1 - loss_.alpha, loss_.gamma)
                       : fmt::format("Positives and negatives have the same weight, as the weights' configuration says "
                                     "(trained with γ = {:g}).",
                                     loss_.gamma),
      100 * error);
  return html_page("Distribution of the loss", text);
}

void write_distribution(const std::filesystem::path& folder, const DistributionReport& report) {
  const Unbroken all_of_them;
  make_folder(folder);
  write_chart(folder / "distribution", report.chart());
  write_file(folder / "distribution.csv", report.csv());
  write_file(folder / "index.html", report.page());
}

}  // namespace fovea
