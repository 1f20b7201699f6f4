// The pictures of a report.
#pragma once
#include "tools/eval/report_data.h"
#include "tools/report/bar_chart.h"
#include "tools/report/chart.h"
#include "tools/report/heat_map.h"

namespace fovea {

// Precision over recall, the mean of all classes, at some IoU thresholds; and AP over the IoU threshold.
Chart precision_recall_chart(const CocoMetrics& metrics);
// The same of one class, small: inline SVG.
std::string class_curve_svg(const CocoMetrics& metrics, size_t label);

BarChart error_chart(const ErrorSplit& errors);
BarChart size_chart(const std::vector<SizeBin>& sizes);

// Rows are shares of what is annotated. Of more than 60 classes, those with most mistakes.
HeatMap confusion_map(const ReportData& data);

// An image with what is annotated and what is found, its long side at most `long_side`.
Image draw_errors(const Image& image, const ImageErrors& errors, const TruthSet& truth, int long_side);

}  // namespace fovea
