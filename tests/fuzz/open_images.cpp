// A dataset of OpenImages': up to the first byte 0 the input is the table of boxes, after it that of class names.
#include "tools/data/formats/open_images.h"

#include <algorithm>

#include "tests/fuzz/dataset.h"

FOVEA_FUZZ(bytes) {
  const auto split = std::find(bytes.begin(), bytes.end(), uint8_t{0});
  const auto table = static_cast<size_t>(split - bytes.begin());
  return fovea::fuzz::with_file("train-annotations-bbox.csv", bytes.first(table),
                                [&](const std::filesystem::path& file) {
                                  const auto root = file.parent_path();
                                  fovea::fuzz::make_image(root / "train" / "0a.png");
                                  fovea::write_file(root / "class-descriptions.csv",
                                                    bytes.subspan(table < bytes.size() ? table + 1 : bytes.size()));
                                  fovea::fuzz::read_all(fovea::open_open_images(root, {}).get());
                                });
}
