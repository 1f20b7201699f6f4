#include "tools/data/formats/foreign_sets.h"

#include <fmt/format.h>

#include <string_view>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct Kind {
  const char *in_path, *mark;  // in lower case, of /PATH; in the file's beginning: empty, where the path is enough
  const char *what, *how;
};

constexpr const char* kDatumaro = "convert it with Datumaro: datum convert -i DIR -f coco -o NEW";
constexpr const char* kExport = "export it as COCO there";

constexpr Kind kKinds[] = {
    {"/meta.json", "\"classes\"", "Supervisely's format", kExport},
    {"/ann/", "\"classTitle\"", "Supervisely's format", kExport},
    {"/gt/gt.txt", "", "MOT Challenge's format, tracks in videos", kDatumaro},
    {"/wider_face_split/", "", "WIDER FACE's format", kDatumaro},
    {"/gtfine/", "", "Cityscapes' format", kDatumaro},
    {"/labeltxt/", "", "DOTA's format, of rotated boxes", "convert it to COCO, a box for each object"},
    {".odgt", "", "CrowdHuman's format", "convert it to COCO"},
    {".json", "\"box2d\"", "BDD100K's format (Scalabel)", "convert it to COCO with BDD100K's or Scalabel's scripts"},
    {".createml.json", "", "CreateML's format", "export it as COCO, or convert it to that"},
    {".jsonl", "\"imageGcsUri\"", "Vertex AI's JSON Lines", "export it as CSV there"},
    {"/metadata.jsonl", "\"bbox\"", "Hugging Face's image folder", "convert it to COCO"},
    {".manifest", "\"source-ref\"", "SageMaker Ground Truth's manifest", "convert it to COCO"},
    {".ndjson", "\"data_row\"", "Labelbox's own format", "export it as COCO, or convert it to that"},
};

bool may_be_of(const Kind& kind, const std::string& lower_path) {
  const std::string_view part = kind.in_path;
  return part.ends_with('/') ? lower_path.find(part) != lower_path.npos : lower_path.ends_with(part);
}

bool has_mark(const Kind& kind, const fs::path& file) {
  if (*kind.mark == '\0') return true;
  try {
    return beginning_of(file, size_t{64} << 10).find(kind.mark) != std::string::npos;
  } catch (const Error&) {
    return false;  // whoever describes the folder says that it cannot be read
  }
}

}  // namespace

std::string foreign_set(const fs::path& path) {
  const bool folder = is_folder(path);
  const auto files = folder ? files_below(path) : std::vector<std::string>{path.lexically_normal().string()};
  for (const Kind& kind : kKinds) {
    constexpr int enough = 3;  // of many files that may be of the kind
    int looked_into = 0;
    for (const std::string& name : files) {
      if (!may_be_of(kind, fmt::format("/{}", lower_case(name)))) continue;
      if (has_mark(kind, folder ? path / name : path))
        return fmt::format("this is {} ({}), which is not read: {}", kind.what, printable(name), kind.how);
      if (++looked_into == enough) break;
    }
  }
  return "";
}

}  // namespace fovea
