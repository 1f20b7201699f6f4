// The report for programs: what report.html shows, in numbers.
#pragma once
#include <string>

#include "tools/eval/report_data.h"

namespace fovea {

// See docs/evaluation.md. null where there is no ground truth, or nothing found.
std::string report_json(const ReportData& data);

}  // namespace fovea
