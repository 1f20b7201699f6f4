// A Pascal VOC annotation file.
#include "tests/fuzz/fuzz.h"
#include "tools/data/formats/voc_xml.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("image.xml", bytes, [](const auto& file) { fovea::read_voc_xml(file); });
}
