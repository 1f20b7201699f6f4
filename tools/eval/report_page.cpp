#include "tools/eval/report_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/eval/metrics_text.h"
#include "tools/eval/report_charts.h"
#include "tools/report/html.h"
#include "tools/report/pictures.h"
#include "tools/text/advice.h"

namespace fovea {
namespace {

constexpr std::array<const char*, fault_count> fault_explanations = {
    "the right class, but a poor box (IoU 0.1 to 0.5)",
    "the box fits an object of another class",
    "a second detection of an object",
    "no object there (IoU below 0.1)",
    "another class and a poor box",
    "objects with no detection nearby: neither a better class nor a better box would find them"};

// "n/a" where there is no ground truth.
std::string short_value(double value) { return value == no_ground_truth ? "n/a" : fmt::format("{:.3f}", value); }

std::string section(const std::string& title, const std::string& explanation) {
  return fmt::format("<h2>{}</h2>\n<p class=\"quiet\">{}</p>\n", title, explanation);
}

std::string summary(const ReportData& data) {
  int64_t crowds = 0;
  for (const GroundTruth& object : data.truth.objects) crowds += object.crowd;
  std::string text = fmt::format(
      "<h1>Evaluation</h1>\n<p class=\"quiet\">{} images, {} classes, {} objects, {} crowd regions, {} detections</p>\n"
      "<div class=\"tiles\">",
      data.truth.images.size(), data.truth.categories.size(), data.truth.objects.size() - crowds, crowds,
      data.detections);
  const auto tile = [&](const std::string& name, double value) {
    text += fmt::format("<div class=\"tile\"><b>{}</b>{}</div>", short_value(value), xml_escaped(name));
  };
  for (size_t i = 0; i < data.metrics.metrics.size(); ++i) {
    const Metric& metric = data.metrics.metrics[i];
    if (metric.area == 0 && metric.limit == data.metrics.settings.limits.back())
      tile(metric.name, data.metrics.values[i]);
  }
  tile("F1 at the best threshold", data.points.overall.known ? data.points.overall.f1 : no_ground_truth);
  return text + "</div>\n";
}

std::string improvements(const ReportData& data) {
  const BarChart chart = error_chart(data.errors);
  std::vector<int> order(fault_count);
  for (int i = 0; i < fault_count; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return data.errors.gains[a] > data.errors.gains[b]; });
  std::vector<std::vector<std::string>> rows;
  for (const int fault : order)
    rows.push_back({fmt::format("<b>{}</b>: {}", fault_names[fault], fault_explanations[fault]),
                    std::to_string(data.errors.counts[fault]), fmt::format("+{:.3f}", data.errors.gains[fault])});
  return section("What to improve",
                 fmt::format(
                     "Each wrong detection and each object not found has one cause (TIDE, Bolya et al. 2020). "
                     "The gain is how much AP at IoU 0.5, now {}, would rise if all errors of this kind were fixed and "
                     "nothing else; gains do not add up.",
                     short_value(data.errors.ap))) +
         html_table({"cause", "count", "gain"}, rows) + html_drawing(bar_drawing(chart));
}

std::string metric_table(const ReportData& data) {
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < data.metrics.metrics.size(); ++i) {
    const Metric& metric = data.metrics.metrics[i];
    rows.push_back({xml_escaped(metric.name), xml_escaped(data.metrics.settings.areas[metric.area].name),
                    std::to_string(metric.limit), value_text(data.metrics.values[i])});
  }
  return section("Metrics",
                 "COCO's, as pycocotools computes them: AP and AR are means over IoU thresholds and classes.") +
         html_table({"metric", "size", "detections per class and image", "value"}, rows);
}

std::string sizes(const ReportData& data) {
  const BarChart chart = size_chart(data.sizes);
  return section("By size of the object",
                 "The network did not see, or suppressed, objects that even the weakest detections miss; objects that "
                 "only weak detections find need a higher score.") +
         html_drawing(bar_drawing(chart));
}

// The value in a box that it fills in part.
std::string share_bar(double value) {
  return fmt::format(
      "<span class=\"bar\" style=\"background:linear-gradient(90deg,#a9cdec {0:.0f}%,#eef2f6 "
      "{0:.0f}%)\">{1:.3f}</span>",
      100 * value, value);
}

std::string class_rows(const ReportData& data) {
  std::vector<std::string> header = {"class", "objects", "AP", "best threshold", "precision", "recall", "F1"};
  for (size_t i = 1; i < data.metrics.metrics.size(); ++i) header.push_back(xml_escaped(data.metrics.metrics[i].name));
  std::vector<std::vector<std::string>> rows;
  for (size_t k = 0; k < data.metrics.classes.size(); ++k) {
    const ClassMetrics& c = data.metrics.classes[k];
    std::vector<std::string> row = {xml_escaped(c.name), std::to_string(c.objects)};
    if (c.objects == 0) {
      row.emplace_back("n/a (no ground truth)");
      row.resize(header.size());
      rows.push_back(std::move(row));
      continue;
    }
    row.push_back(share_bar(c.values[0]));
    const OperatingPoint& point = data.points.classes[k];
    for (const double value : {point.score, point.precision, point.recall, point.f1})
      row.push_back(point.known ? fmt::format("{:.3f}", value) : "none found");
    for (size_t i = 1; i < c.values.size(); ++i) row.push_back(short_value(c.values[i]));
    rows.push_back(std::move(row));
  }
  return section("Classes",
                 "The best threshold is the score threshold with the highest F1, the harmonic mean of "
                 "precision and recall at IoU 0.5. n/a: no object of this class and size.") +
         html_table(header, rows);
}

std::string curves(const ReportData& data) {
  const Chart chart = precision_recall_chart(data.metrics);
  std::string text = section("Precision and recall",
                             "The share of correct detections as more and weaker ones are included to find more "
                             "objects. AP is the area "
                             "under the curve.") +
                     html_drawing(chart_drawing(chart));
  text +=
      "<p class=\"quiet\">Precision (vertical) over recall (horizontal) for each class, 0 to 1; colors as above.</p>";
  text += "<div class=\"grid\">";
  for (size_t k = 0; k < data.metrics.classes.size(); ++k) {
    const ClassMetrics& c = data.metrics.classes[k];
    if (c.objects > 0)
      text += fmt::format("<figure>{}<figcaption>{}, AP {}</figcaption></figure>\n", class_curve_svg(data.metrics, k),
                          xml_escaped(c.name), short_value(c.values[0]));
  }
  return text + "</div>\n";
}

std::string confusions(const ReportData& data) {
  struct Pair {
    size_t row, column;
    int64_t count;
  };
  std::vector<Pair> pairs;
  for (size_t row = 0; row < data.confusion.classes; ++row)
    for (size_t column = 0; column < data.confusion.classes; ++column)
      if (row != column && data.confusion.at(row, column) > 0)
        pairs.push_back({row, column, data.confusion.at(row, column)});
  std::stable_sort(pairs.begin(), pairs.end(), [](auto& a, auto& b) { return a.count > b.count; });
  if (pairs.size() > 20) pairs.resize(20);
  std::vector<std::vector<std::string>> rows;
  for (const Pair& pair : pairs)
    rows.push_back(
        {xml_escaped(data.truth.categories[pair.row].name + " mistaken for " + data.truth.categories[pair.column].name),
         std::to_string(pair.count)});
  const HeatMap map = confusion_map(data);
  std::string text =
      section("Confusion",
              "Detections above their class's best threshold, matched with the annotated objects at IoU 0.5. "
              "Darker cells are larger shares of their row. The background row holds false detections, the "
              "background column missed objects.") +
      html_drawing(heat_drawing(map));
  if (map.names.size() < data.confusion.classes + 1)
    text += fmt::format("<p>The {} classes with the most errors, of {}.</p>\n", map.names.size() - 1,
                        data.confusion.classes);
  return text + (rows.empty() ? "<p>No class is mistaken for another.</p>\n"
                              : html_table({"most confused classes", "count"}, rows));
}

// What the colors of draw_errors mean.
std::string picture_key() {
  const auto key = [](int label, const char* name) {
    const Color color = class_color(label);
    return fmt::format("<span class=\"key\" style=\"border-color:#{:02x}{:02x}{:02x}\"></span>{}", color.r, color.g,
                       color.b, name);
  };
  return "<p>" + key(1, "annotated and found") + key(3, "correct detection") + key(2, "missed") +
         key(0, "false detection") + key(4, "of another class") + "</p>\n";
}

std::string worst(const ReportData& data, const std::vector<WorstPicture>& pictures) {
  std::string text =
      section("Worst images", "The images with the most missed objects, false detections and confused classes.");
  if (data.truth.image_root.empty())
    text += fmt::format("<p>No pictures: {}.</p>\n", advise(advice::kNameImages));
  else
    text += picture_key();
  text += "<div class=\"grid pictures\">";
  for (size_t i = 0; i < data.worst.size(); ++i) {
    const TruthImage& image = *data.worst[i].boxes->image;
    const std::string name = image.file_name.empty() ? fmt::format("image {}", image.id) : image.file_name;
    text += "<figure>";
    if (!pictures[i].jpeg.empty()) text += html_image(pictures[i].jpeg, name);
    text += fmt::format("<figcaption>{}. {} (id {}): {} errors{}</figcaption></figure>\n", i + 1, xml_escaped(name),
                        image.id, data.worst[i].errors,
                        pictures[i].problem.empty() ? "" : "; " + xml_escaped(pictures[i].problem));
  }
  return text + "</div>\n";
}

}  // namespace

std::string report_page(const ReportData& data, const std::vector<WorstPicture>& pictures) {
  return html_page("Evaluation", summary(data) + improvements(data) + metric_table(data) + sizes(data) +
                                     class_rows(data) + curves(data) + confusions(data) + worst(data, pictures));
}

}  // namespace fovea
