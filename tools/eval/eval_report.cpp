#include "tools/eval/eval_report.h"

#include <fmt/format.h>

#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/eval/report_charts.h"
#include "tools/eval/report_json.h"
#include "tools/eval/report_page.h"
#include "tools/report/html.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

constexpr int picture_side = 960, jpeg_quality = 85;

// Names of images come from the annotations: none may lead out of their folder.
bool stays_inside(const fs::path& name) { return name.is_relative() && *name.lexically_normal().begin() != ".."; }

WorstPicture draw(const ImageErrors& errors, const TruthSet& truth) {
  const TruthImage& truth_image = *errors.boxes->image;
  const std::string& name = truth_image.file_name;
  if (truth.image_root.empty()) return {};
  if (name.empty()) return {{}, "the annotations do not name its file"};
  if (!stays_inside(name)) return {{}, "its file name points outside the image folder"};
  try {
    const Image image = read_image(truth.image_root / name,
                                   {.annotated_width = truth_image.width, .annotated_height = truth_image.height});
    return {encode_jpeg(draw_errors(image, errors, truth, picture_side), jpeg_quality), ""};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    return {{}, error.what()};
  }
}

}  // namespace

void require_own_report(const fs::path& folder) {
  for (const char* name : kReportFiles)
    if (name != std::string_view("worst")) require_replaceable(folder / name);
  for (const std::string& name : files_in(folder / "worst")) require_replaceable(folder / "worst" / name);
}

void write_eval_report(const fs::path& folder, const TruthSet& truth, std::span<const Detection> detections,
                       const CocoMetrics& metrics) {
  make_folder(folder);
  const ReportData data(truth, detections, metrics);
  write_chart(folder / "precision_recall", precision_recall_chart(metrics));
  const BarChart errors = error_chart(data.errors), sizes = size_chart(data.sizes);
  write_drawing(folder / "errors", bar_drawing(errors));
  write_drawing(folder / "sizes", bar_drawing(sizes));
  const HeatMap confusion = confusion_map(data);
  write_drawing(folder / "confusion", heat_drawing(confusion));
  std::vector<WorstPicture> pictures;
  for (size_t i = 0; i < data.worst.size(); ++i) {
    pictures.push_back(draw(data.worst[i], truth));
    if (pictures.back().jpeg.empty()) continue;
    make_folder(folder / "worst");
    write_file(folder / "worst" / fmt::format("{:02}_{}.jpg", i + 1, data.worst[i].boxes->image->id),
               pictures.back().jpeg);
  }
  write_file(folder / "report.json", report_json(data));
  write_file(folder / "report.html", report_page(data, pictures));
}

}  // namespace fovea
