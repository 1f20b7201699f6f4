#include "tools/study/study_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/report/html.h"
#include "tools/report/progress.h"
#include "tools/report/surface.h"
#include "tools/report/table.h"
#include "tools/study/verdict.h"
#include "tools/text/version.h"

namespace fovea {
namespace {

using Rows = std::vector<std::vector<std::string>>;

size_t shown_metrics(const Study& study) { return study.speed ? kMetricCount : 3; }

bool has_paper_values(const Study& study) {
  return std::any_of(study.variants.begin(), study.variants.end(), [](auto& variant) { return variant.paper >= 0; });
}

std::vector<std::string> table_header(const Study& study) {
  std::vector<std::string> header = study.columns;
  header.insert(header.end(), kMetricNames, kMetricNames + shown_metrics(study));
  if (study.speed) header.emplace_back("ms an image");
  if (has_paper_values(study)) header.emplace_back("AP in the paper");
  header.emplace_back("trainings");
  return header;
}

// "3", "2 of 3, 1 diverged".
std::string trainings_text(const VariantResult& result) {
  const size_t all = result.runs.size(), done = all - result.diverged - result.failed - result.open;
  std::string text = done == all ? std::to_string(all) : fmt::format("{} of {}", done, all);
  if (result.diverged > 0) text += fmt::format(", {} diverged", result.diverged);
  if (result.failed > 0) text += fmt::format(", {} failed", result.failed);
  return text;
}

Rows table_rows(const Study& study, const std::vector<VariantResult>& results) {
  Rows rows;
  for (size_t v = 0; v < results.size(); ++v) {
    const VariantResult& result = results[v];
    std::vector<std::string> row = study.variants[v].labels;
    for (size_t m = 0; m < shown_metrics(study); ++m) row.push_back(points_text(result, m));
    if (as_good_as_best(results, v)) row[study.columns.size()] += " ≈";
    const bool timed = result.milliseconds.count > 0;
    if (study.speed) row.push_back(timed ? fmt::format("{:.1f}", result.milliseconds.mean) : "–");
    const double paper = study.variants[v].paper;
    if (has_paper_values(study)) row.push_back(paper >= 0 ? fmt::format("{:.1f}", paper) : "–");
    row.push_back(trainings_text(result));
    rows.push_back(std::move(row));
  }
  return rows;
}

// As the report of an evaluation does it: within HTML, SVG needs no name of its language.
std::string inline_svg(const Chart& chart) {
  std::string svg = chart_svg(chart);
  const std::string name = " xmlns=\"http://www.w3.org/2000/svg\"";
  svg.erase(svg.find(name), name.size());
  return "<div class=\"wide\">" + svg + "</div>\n";
}

// A cell of a table that is read rather than compared.
std::string words_cell(const std::string& text) { return "<div class=\"words\">" + xml_escaped(text) + "</div>"; }

std::string heading(const std::string& title) { return fmt::format("<h2>{}</h2>\n", xml_escaped(title)); }
std::string paragraph(const std::string& text, bool quiet = false) {
  return fmt::format("<p{}>{}</p>\n", quiet ? " class=\"quiet\"" : "", xml_escaped(text));
}

std::string html_results(const Study& study, const std::vector<VariantResult>& results) {
  std::vector<std::string> header = table_header(study);
  for (std::string& cell : header) cell = xml_escaped(cell);
  const int best = best_variant(results);
  Rows rows = table_rows(study, results);
  for (size_t v = 0; v < rows.size(); ++v)
    for (size_t i = 0; i < rows[v].size(); ++i) {
      rows[v][i] = xml_escaped(rows[v][i]);
      if (static_cast<int>(v) == best && i <= study.columns.size()) rows[v][i] = "<b>" + rows[v][i] + "</b>";
    }
  std::string text = heading("Results") + html_table(header, rows) + paragraph(best_sentence(study, results));
  text += paragraph(
      "AP in points (0 to 100) of the last validation, as COCO defines it: of the trained network after its last step. "
      "With several seeds: their mean ± sample standard deviation. ≈: lower than the best by no more than the larger "
      "of both deviations, the spread between seeds, and not in each of six seeds or more.",
      true);
  if (has_paper_values(study)) text += paragraph("The paper's AP: " + study.paper + ".", true);
  if (study.speed)
    text += paragraph(
        "ms an image: reading, network and suppression in a detection of the whole validation set, by itself on this "
        "machine after all trainings, the first tenth of the images left out.",
        true);
  return text;
}

std::string html_claims(const Study& study, const std::vector<VariantResult>& results) {
  if (study.claims.empty()) return "";
  std::string text = heading("What the paper claims") + "<ul>\n";
  for (const CheckedClaim& claim : check_claims(study, results)) {
    const char* mark = claim.outcome == CheckedClaim::Outcome::Shows      ? "✓"
                       : claim.outcome == CheckedClaim::Outcome::ShowsNot ? "✗"
                                                                          : "?";
    text += fmt::format("<li><p><b>{} The paper: {}.</b><br>{}</p></li>\n", mark, xml_escaped(claim.claim),
                        xml_escaped(claim.finding));
  }
  return text + "</ul>\n";
}

std::string html_curves(const StudyPage& page, const std::vector<VariantResult>& variants) {
  std::string text;
  if (page.study.speed)
    text += heading("Accuracy and speed") + inline_svg(speed_chart(page, variants)) +
            paragraph(
                "As figure 2 of the paper: AP over the milliseconds of an image; up and to the left is better. "
                "The numbers at the points are scales; lines join them by scale.",
                true);
  return text + heading("Training") + inline_svg(curves_chart(page)) +
         paragraph(
             "Every training, a color for each row of the table. Losses of different kinds, or with different "
             "weights, do not compare; AP does.",
             true);
}

std::string state_text(const RunResult& result) {
  switch (result.state) {
    case RunResult::State::Done:
      return "done";
    case RunResult::State::Diverged:
      return "diverged: " + result.why;
    case RunResult::State::Failed:
      return "failed: " + result.why;
    case RunResult::State::Open:
      break;
  }
  return "not done yet";
}

std::string html_trainings(const StudyPage& page) {
  Rows rows;
  for (size_t i = 0; i < page.runs.size(); ++i) {
    const RunResult& result = page.results[i];
    rows.push_back({"runs/" + xml_escaped(page.runs[i].name),
                    result.state == RunResult::State::Done ? points_text(result.metrics[0]) : "–",
                    result.seconds > 0 ? format_duration(result.seconds) : "–", words_cell(state_text(result))});
  }
  return heading("Trainings") + html_table({"folder", "AP", "time", words_cell("state")}, rows);
}

std::string html_origin(const StudyPage& page) {
  const Config& config = page.runs.front().config;
  std::string text = heading("How this was made") + "<pre>" + xml_escaped(page.command) + "</pre>\n";
  text += paragraph(page.data);
  text += paragraph(fmt::format(
      "Fovea {}; {} steps of {} images each training. {} config.toml has the settings that all trainings share, "
      "results.csv each training's numbers, and each training's folder its log.",
      kVersion, config.train.steps, config.train.batch, page.start));
  return text;
}

std::string html_name(const Study& study, size_t variant) {
  std::string text;
  for (const std::string& label : study.variants[variant].labels) text += (text.empty() ? "" : " · ") + label;
  return text;
}

}  // namespace

Chart curves_chart(const StudyPage& page) {
  Chart chart{.title = "",
              .x_label = "step",
              .panels = {{.title = "training loss"}, {.title = "validation AP"}},
              .legend_below = true};
  std::vector<bool> named(page.study.variants.size());
  for (size_t i = 0; i < page.runs.size(); ++i) {
    const size_t variant = page.runs[i].variant;
    Series loss{.points = page.results[i].loss, .noisy = true, .color = static_cast<int>(variant)};
    if (!named[variant]) loss.name = html_name(page.study, variant);
    named[variant] = true;
    Series ap{.points = page.results[i].ap, .color = static_cast<int>(variant)};
    for (Point& point : ap.points) point.y *= 100;
    chart.panels[0].series.push_back(std::move(loss));
    chart.panels[1].series.push_back(std::move(ap));
  }
  return chart;
}

Chart speed_chart(const StudyPage& page, const std::vector<VariantResult>& variants) {
  Panel panel{.title = "AP", .x_label = "milliseconds an image"};
  for (size_t v = 0; v < variants.size(); ++v) {
    if (!variants[v].known() || variants[v].milliseconds.count == 0) continue;
    const std::string name = page.study.columns[0] + " " + page.study.variants[v].labels[0];
    auto series = std::find_if(panel.series.begin(), panel.series.end(), [&](auto& one) { return one.name == name; });
    if (series == panel.series.end()) series = panel.series.insert(series, Series{.name = name});
    series->points.push_back({variants[v].milliseconds.mean, 100 * variants[v].ap().mean});
    series->labels.push_back(page.study.variants[v].labels.back());
  }
  return {.title = "", .panels = {panel}};
}

std::string study_table(const Study& study, const std::vector<VariantResult>& variants) {
  Table table(table_header(study));
  for (auto& row : table_rows(study, variants)) table.add(std::move(row));
  return table.text();
}

std::string study_page(const StudyPage& page) {
  const auto variants = by_variant(page.study, page.runs, page.results);
  return html_page(page.study.title, fmt::format("<h1>{}</h1>\n", xml_escaped(page.study.title)) +
                                         paragraph(page.study.about, true) + html_results(page.study, variants) +
                                         html_claims(page.study, variants) + html_curves(page, variants) +
                                         html_trainings(page) + html_origin(page));
}

}  // namespace fovea
