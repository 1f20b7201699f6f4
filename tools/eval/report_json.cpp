#include "tools/eval/report_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "engine/files.h"
#include "tools/text/outputs.h"

namespace fovea {
namespace {

std::string value(double number) {
  return number == no_ground_truth || !std::isfinite(number) ? "null" : fmt::format("{}", number);
}

std::string json_list(const std::vector<std::string>& entries) {
  return fmt::format("[\n    {}\n  ]", fmt::join(entries, ",\n    "));
}

std::string errors(const ErrorSplit& split) {
  std::vector<std::string> kinds;
  for (int fault = 0; fault < fault_count; ++fault)
    kinds.push_back(fmt::format(R"("{}": {{"count": {}, "gain": {}}})", fault_names[fault], split.counts[fault],
                                split.gains[fault]));
  return fmt::format(R"({{{}, "all_wrong_detections": {{"gain": {}}}, "all_objects_not_found": {{"gain": {}}}}})",
                     fmt::join(kinds, ", "), split.false_positives_gain, split.false_negatives_gain);
}

std::string point(const OperatingPoint& point) {
  if (!point.known) return "null";
  return fmt::format(R"({{"score": {}, "precision": {}, "recall": {}, "f1": {}}})", point.score, point.precision,
                     point.recall, point.f1);
}

std::vector<std::string> classes(const ReportData& data) {
  std::vector<std::string> entries;
  for (size_t k = 0; k < data.truth.categories.size(); ++k) {
    const Category& category = data.truth.categories[k];
    std::vector<std::string> counts;
    for (int fault = 0; fault < fault_count; ++fault)
      counts.push_back(fmt::format(R"("{}": {})", fault_names[fault], data.errors.class_counts[k][fault]));
    entries.push_back(fmt::format(R"({{"id": {}, "name": {}, "best": {}, "errors": {{{}}}}})", category.id,
                                  json_quoted(category.name), point(data.points.classes[k]), fmt::join(counts, ", ")));
  }
  return entries;
}

std::vector<std::string> confusion_rows(const Confusion& confusion) {
  std::vector<std::string> rows;
  for (size_t row = 0; row <= confusion.classes; ++row) {
    std::vector<int64_t> counts;
    for (size_t column = 0; column <= confusion.classes; ++column) counts.push_back(confusion.at(row, column));
    rows.push_back(fmt::format("[{}]", fmt::join(counts, ", ")));
  }
  return rows;
}

std::vector<std::string> sizes(const std::vector<SizeBin>& bins) {
  std::vector<std::string> entries;
  for (const SizeBin& bin : bins)
    entries.push_back(
        fmt::format(R"({{"low": {}, "high": {}, "objects": {}, "found": {}, "found_from_best_score": {}}})", bin.low,
                    value(bin.high), bin.objects, bin.found, bin.found_taken));
  return entries;
}

std::vector<std::string> worst(const std::vector<ImageErrors>& images) {
  std::vector<std::string> entries;
  for (const ImageErrors& image : images)
    entries.push_back(fmt::format(R"({{"id": {}, "file_name": {}, "errors": {}}})", image.boxes->image->id,
                                  json_quoted(image.boxes->image->file_name), image.errors));
  return entries;
}

}  // namespace

std::string report_json(const ReportData& data) {
  return fmt::format(
      "{{\n  \"about\": \"{}\",\n  \"iou\": {},\n  \"AP\": {},\n  \"errors\": {},\n  \"best\": {},\n  \"per_class\": "
      "{},\n"
      "  \"confusion\": {},\n  \"sizes\": {},\n  \"worst_images\": {}\n}}\n",
      kMark, ReportData::iou, value(data.errors.ap), errors(data.errors), point(data.points.overall),
      json_list(classes(data)), json_list(confusion_rows(data.confusion)), json_list(sizes(data.sizes)),
      json_list(worst(data.worst)));
}

}  // namespace fovea
