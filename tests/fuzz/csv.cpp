// A dataset in CSV format: the input is train.csv; the images that it names are not there, so that all else is read.
#include "tools/data/formats/csv.h"
#include "tests/fuzz/dataset.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("train.csv", bytes, [](const std::filesystem::path& file) {
    fovea::read_csv(file);
    fovea::fuzz::read_all(fovea::open_csv(file.parent_path(), {}).get());
  });
}
