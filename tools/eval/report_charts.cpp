#include "tools/eval/report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/report/pictures.h"

namespace fovea {
namespace {

// Three or four of the thresholds, far apart.
std::vector<int> shown_thresholds(const EvalSettings& settings) {
  const int count = static_cast<int>(settings.ious.size());
  std::vector<int> shown;
  for (const double iou : {0.5, 0.75, 0.9}) {
    const auto nearest = std::min_element(settings.ious.begin(), settings.ious.end(),
                                          [&](double a, double b) { return std::abs(a - iou) < std::abs(b - iou); });
    shown.push_back(static_cast<int>(nearest - settings.ious.begin()));
  }
  if (count > 3 && shown.back() != count - 1) shown.push_back(count - 1);
  shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
  return shown;
}

double precision_of(const ClassMetrics& c, int iou, int r) { return c.precision[size_t(iou) * recall_steps + r]; }

double mean_precision(const CocoMetrics& metrics, int iou, int r) {
  double sum = 0, count = 0;
  for (const ClassMetrics& c : metrics.classes) {
    if (c.objects == 0) continue;
    sum += precision_of(c, iou, r);
    ++count;
  }
  return count > 0 ? sum / count : std::nan("");
}

template <class PrecisionAt>
double mean_over_recalls(PrecisionAt&& precision_at) {
  double sum = 0;
  for (int r = 0; r < recall_steps; ++r) sum += precision_at(r);
  return sum / recall_steps;
}

std::string size_name(const SizeBin& bin) {
  return std::isinf(bin.high) ? fmt::format("{} px and above", bin.low) : fmt::format("{} - {} px", bin.low, bin.high);
}

// The classes that are shown, the most mistaken ones where there are many; in their order.
std::vector<size_t> shown_classes(const Confusion& confusion, size_t most) {
  std::vector<size_t> labels(confusion.classes);
  for (size_t k = 0; k < labels.size(); ++k) labels[k] = k;
  if (labels.size() <= most) return labels;
  const auto mistakes = [&](size_t k) {
    int64_t sum = -2 * confusion.at(k, k);
    for (size_t other = 0; other <= confusion.classes; ++other) sum += confusion.at(k, other) + confusion.at(other, k);
    return sum;
  };
  std::stable_sort(labels.begin(), labels.end(), [&](size_t a, size_t b) { return mistakes(a) > mistakes(b); });
  labels.resize(most);
  std::sort(labels.begin(), labels.end());
  return labels;
}

}  // namespace

Chart precision_recall_chart(const CocoMetrics& metrics) {
  Panel curves{.title = "precision at IoU", .x_label = "recall", .shares = true};
  for (const int t : shown_thresholds(metrics.settings)) {
    Series series{.name = fmt::format("{:.2f}", metrics.settings.ious[t])};
    for (int r = 0; r < recall_steps; ++r) series.points.push_back({recall_step(r), mean_precision(metrics, t, r)});
    curves.series.push_back(std::move(series));
  }
  Panel over_iou{.title = "AP at one IoU threshold",
                 .x_label = "IoU threshold",
                 .shares = true,
                 .first = std::floor(metrics.settings.ious.front() * 10) / 10};
  Series ap{.name = "AP"};
  for (size_t t = 0; t < metrics.settings.ious.size(); ++t)
    ap.points.push_back({metrics.settings.ious[t],
                         mean_over_recalls([&](int r) { return mean_precision(metrics, static_cast<int>(t), r); })});
  over_iou.series.push_back(std::move(ap));
  return {"Precision and recall, mean of all classes", "", {std::move(curves), std::move(over_iou)}};
}

std::string class_curve_svg(const CocoMetrics& metrics, size_t label) {
  constexpr int width = 190, height = 120, left = 4, top = 4;
  std::string text = fmt::format(
      R"(<svg width="{0}" height="{1}" viewBox="0 0 {0} {1}"><rect x="{2}" y="{3}" width="{4}" height="{5}" fill="#fafafa" stroke="#ccc"/>)",
      width, height, left, top, width - 2 * left, height - 2 * top);
  const auto thresholds = shown_thresholds(metrics.settings);
  for (size_t i = 0; i < thresholds.size(); ++i) {
    const Color color = series_color(i);
    text += fmt::format(R"(<polyline fill="none" stroke-width="1.6" stroke="#{:02x}{:02x}{:02x}" points=")", color.r,
                        color.g, color.b);
    for (int r = 0; r < recall_steps; r += 2)
      text += fmt::format("{:.1f},{:.1f} ", left + recall_step(r) * (width - 2 * left),
                          top + (1 - precision_of(metrics.classes[label], thresholds[i], r)) * (height - 2 * top));
    text.back() = '"';
    text += "/>";
  }
  return text + "</svg>";
}

BarChart error_chart(const ErrorSplit& errors) {
  BarChart chart{.title = "AP gain at IoU 0.5 from fixing", .value_label = "AP"};
  for (int fault = 0; fault < fault_count; ++fault)
    chart.groups.push_back(
        {fault_names[fault], {errors.gains[fault]}, fmt::format("{} of them", errors.counts[fault])});
  std::stable_sort(chart.groups.begin(), chart.groups.end(),
                   [](auto& a, auto& b) { return a.values[0] > b.values[0]; });
  chart.groups.push_back({"all false detections", {errors.false_positives_gain}, ""});
  chart.groups.push_back({"all missed objects", {errors.false_negatives_gain}, ""});
  return chart;
}

BarChart size_chart(const std::vector<SizeBin>& sizes) {
  BarChart chart{.title = "Objects found, by size (root of the area)",
                 .value_label = "share of the objects",
                 .series = {"by any detection", "by one above its class's best threshold"},
                 .high = 1};
  for (const SizeBin& bin : sizes) {
    const auto share = [&](int64_t found) { return static_cast<double>(found) / static_cast<double>(bin.objects); };
    chart.groups.push_back(
        {size_name(bin), {share(bin.found), share(bin.found_taken)}, fmt::format("{} objects", bin.objects)});
  }
  return chart;
}

HeatMap confusion_map(const ReportData& data) {
  auto shown = shown_classes(data.confusion, 60);
  HeatMap map{.title = "Confusion matrix", .row_title = "annotated", .column_title = "detected as"};
  for (const size_t k : shown) map.names.push_back(data.truth.categories[k].name);
  map.names.emplace_back("background");
  shown.push_back(data.confusion.classes);
  for (const size_t row : shown) {
    int64_t sum = 0;
    for (size_t column = 0; column <= data.confusion.classes; ++column) sum += data.confusion.at(row, column);
    for (const size_t column : shown) {
      const int64_t count = data.confusion.at(row, column);
      map.shares.push_back(sum > 0 ? static_cast<double>(count) / static_cast<double>(sum) : 0);
      map.values.push_back(count > 0 ? std::to_string(count) : "");
    }
  }
  return map;
}

Image draw_errors(const Image& image, const ImageErrors& errors, const TruthSet& truth, int long_side) {
  const double scale = std::min(1.0, static_cast<double>(long_side) / std::max(image.width, image.height));
  Image picture = scale < 1 ? scaled(image, std::max(1, static_cast<int>(image.width * scale)),
                                     std::max(1, static_cast<int>(image.height * scale)))
                            : image;
  enum { False = 0, Annotated = 1, Missed = 2, Right = 3, OtherClass = 4 };  // colors of class_color
  std::vector<LabeledBox> layers[5];
  const auto add = [&](auto& box, int kind, std::string text) {
    const auto at = [&](double pixel) { return static_cast<float>(pixel * scale); };
    layers[kind].push_back({at(box.x), at(box.y), at(box.x + box.w), at(box.y + box.h), kind, std::move(text)});
  };
  const ImageBoxes& boxes = *errors.boxes;
  for (const auto [g, d] : errors.pairs) {
    const auto object_name = [&, g = g] { return truth.categories[boxes.object_labels[g]].name; };
    const auto found_name = [&, d = d] {
      return fmt::format("{} {:.2f}", truth.categories[boxes.detection_labels[d]].name, boxes.detections[d]->score);
    };
    const bool same = g >= 0 && d >= 0 && boxes.object_labels[g] == boxes.detection_labels[d];
    if (g >= 0) add(*boxes.objects[g], d < 0 ? Missed : Annotated, d < 0 ? object_name() : "");
    if (d >= 0 && g < 0) add(*boxes.detections[d], False, found_name());
    if (d >= 0 && g >= 0)
      add(*boxes.detections[d], same ? Right : OtherClass, same ? "" : found_name() + ", is " + object_name());
  }
  std::vector<LabeledBox> all;
  for (const int kind : {Annotated, Right, OtherClass, False, Missed})
    all.insert(all.end(), layers[kind].begin(), layers[kind].end());
  draw_boxes(picture, all);
  return picture;
}

}  // namespace fovea
