// What to improve: pictures and one HTML file that needs nothing beside itself.
#pragma once
#include <filesystem>
#include <span>

#include "tools/eval/coco_metrics.h"
#include "tools/eval/truth_set.h"

namespace fovea {

// What the report's folder holds besides the pictures in worst/.
inline constexpr const char* kReportFiles[] = {
    "report.html", "report.json",   "errors.png",    "errors.svg",           "sizes.png",           "sizes.svg",
    "worst",       "confusion.png", "confusion.svg", "precision_recall.png", "precision_recall.svg"};

// Throws ErrorKind::Usage where a file that no report has written would be overwritten.
void require_own_report(const std::filesystem::path& folder);

// Writes report.html, report.json, the charts as PNG and SVG, and the worst images (where TruthSet::image_root says
// where they are) into the folder, which is made. Throws ErrorKind::Runtime when something cannot be written.
void write_eval_report(const std::filesystem::path& folder, const TruthSet& truth,
                       std::span<const Detection> detections, const CocoMetrics& metrics);

}  // namespace fovea
