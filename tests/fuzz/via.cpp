// Annotations of the VGG Image Annotator: an input that begins with { is JSON, any other one CSV.
#include "tools/data/formats/via.h"
#include "tests/fuzz/dataset.h"
#include "tools/data/formats/via_json.h"

FOVEA_FUZZ(bytes) {
  const bool json = !bytes.empty() && bytes[0] == '{';
  return fovea::fuzz::with_file(json ? "via.json" : "via.csv", bytes, [](const std::filesystem::path& file) {
    const auto reader = fovea::open_via(file, {});
    if (reader == nullptr) return;
    fovea::read_via(file);
    fovea::fuzz::read_all(reader.get());
  });
}
