// A dataset in CSV format: the input is train.csv; the images that it names are not there, so that all else is read.
#include "tools/data/formats/csv.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("train.csv", bytes, [](const std::filesystem::path& file) {
    fovea::read_csv(file);
    const auto reader = fovea::open_csv(file.parent_path(), {});
    if (reader == nullptr) return;
    for (const std::string& split : reader->splits()) fovea::make_dataset(reader->read(split), split, {});
  });
}
