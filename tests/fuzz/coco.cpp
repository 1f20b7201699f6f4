// A COCO annotation file, through all checks.
#include "tools/data/formats/coco.h"
#include "tests/fuzz/fuzz.h"
#include "tools/eval/truth_set.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("instances_val.json", bytes, [](const std::filesystem::path& file) {
    try {
      fovea::load_coco_file(file, file.parent_path(), "val");
    } catch (const fovea::Error& error) {
      if (error.kind() != fovea::ErrorKind::Data) throw;
    }
    fovea::read_coco_truth(file);
  });
}
