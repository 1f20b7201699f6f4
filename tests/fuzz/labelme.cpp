// A dataset of LabelMe's: the input is its one JSON file, whose image may be missing.
#include "tools/data/formats/labelme.h"
#include "tests/fuzz/dataset.h"
#include "tools/data/formats/labelme_json.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("a.json", bytes, [](const std::filesystem::path& file) {
    const auto reader = fovea::open_labelme(file.parent_path(), {});
    if (reader == nullptr) {
      fovea::read_labelme_json(file);
      return;
    }
    fovea::fuzz::read_all(reader.get());
  });
}
