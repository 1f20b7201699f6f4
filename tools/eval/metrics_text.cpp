#include "tools/eval/metrics_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/files.h"
#include "tools/report/table.h"
#include "tools/text/outputs.h"

namespace fovea {
namespace {

std::string json_value(double value) { return value == no_ground_truth ? "null" : fmt::format("{}", value); }

// Which IoU thresholds a metric speaks of: "0.75", or "0.50:0.95" for the mean over these.
std::string iou_text(const EvalSettings& settings, const Metric& metric) {
  if (metric.iou >= 0) return fmt::format("{:.2f}", settings.ious[metric.iou]);
  if (settings.ious.size() == 1) return fmt::format("{:.2f}", settings.ious[0]);
  return fmt::format("{:.2f}:{:.2f}", settings.ious.front(), settings.ious.back());
}

std::string settings_json(const EvalSettings& settings) {
  std::string areas;
  for (const AreaRange& area : settings.areas)
    areas += fmt::format("{}{{\"name\": {}, \"low\": {}, \"high\": {}}}", areas.empty() ? "" : ", ",
                         json_quoted(area.name), area.low, area.high);
  return fmt::format(R"({{"ious": [{}], "limits": [{}], "areas": [{}]}})", fmt::join(settings.ious, ", "),
                     fmt::join(settings.limits, ", "), areas);
}

// "AP": 0.5, "AP50": …
std::string named_values(const std::vector<Metric>& metrics, const std::vector<double>& values) {
  std::string text;
  for (size_t i = 0; i < metrics.size(); ++i)
    text += fmt::format("{}{}: {}", i ? ", " : "", json_quoted(metrics[i].name), json_value(values[i]));
  return text;
}

std::string voc_values(const VocAp& ap) {
  return fmt::format(R"("AP11": {}, "APauc": {})", json_value(ap.eleven_points), json_value(ap.area));
}

}  // namespace

std::string value_text(double value) {
  return value == no_ground_truth ? "n/a (no ground truth)" : fmt::format("{:.3f}", value);
}

std::string table(const CocoMetrics& metrics) {
  Table table({"metric", "IoU", "area", "detections", "value"});
  for (size_t i = 0; i < metrics.metrics.size(); ++i) {
    const Metric& metric = metrics.metrics[i];
    table.add({metric.name, iou_text(metrics.settings, metric), metrics.settings.areas[metric.area].name,
               std::to_string(metric.limit), value_text(metrics.values[i])});
  }
  return table.text();
}

std::string class_table(const CocoMetrics& metrics, const std::optional<VocMetrics>& voc) {
  std::vector<std::string> header = {"class", "objects"};
  for (const Metric& metric : metrics.metrics) header.push_back(metric.name);
  if (voc) header.insert(header.end(), {"VOC AP11", "VOC AP"});
  Table table(header);
  bool unknown = false;
  for (size_t k = 0; k < metrics.classes.size(); ++k) {
    const ClassMetrics& c = metrics.classes[k];
    std::vector<std::string> row = {c.name, std::to_string(c.objects)};
    std::vector<double> values = c.values;
    if (voc) values.insert(values.end(), {voc->classes[k].eleven_points, voc->classes[k].area});
    for (const double value : values) {
      row.push_back(value == no_ground_truth ? "n/a" : fmt::format("{:.3f}", value));
      unknown |= value == no_ground_truth;
    }
    table.add(row);
  }
  return table.text() + (unknown ? "n/a (no ground truth): no object of this class and size\n" : "");
}

std::string metrics_json(const CocoMetrics& metrics, const std::optional<VocMetrics>& voc,
                         std::optional<double> milliseconds) {
  std::string text = fmt::format(
      "{{\n  \"about\": \"{}\",\n  \"stats\": [{}],\n  \"metrics\": {{{}}},\n  \"settings\": {},\n", kMark,
      fmt::join(metrics.values, ", "), named_values(metrics.metrics, metrics.values), settings_json(metrics.settings));
  if (milliseconds) text += fmt::format("  \"milliseconds_per_image\": {:.4f},\n", *milliseconds);
  if (voc) text += fmt::format("  \"voc\": {{\"iou\": {}, {}}},\n", voc->iou, voc_values(voc->mean));
  text += "  \"per_class\": [";
  for (size_t k = 0; k < metrics.classes.size(); ++k) {
    const ClassMetrics& c = metrics.classes[k];
    text += fmt::format("{}\n    {{\"id\": {}, \"name\": {}, \"objects\": {}, {}", k ? "," : "", c.category_id,
                        json_quoted(c.name), c.objects, named_values(metrics.metrics, c.values));
    if (voc) text += fmt::format(", \"voc\": {{{}}}", voc_values(voc->classes[k]));
    text += "}";
  }
  return text + "\n  ]\n}\n";
}

}  // namespace fovea
