// The report as one HTML page.
#pragma once
#include <string>
#include <vector>

#include "tools/eval/report_data.h"

namespace fovea {

struct WorstPicture {
  std::vector<uint8_t> jpeg;  // empty: the image could not be read, or is not at hand
  std::string problem;
};

// `pictures`: of data.worst, in its order.
std::string report_page(const ReportData& data, const std::vector<WorstPicture>& pictures);

}  // namespace fovea
