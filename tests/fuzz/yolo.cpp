// A dataset in YOLO's format: up to the first byte 0 the input is data.yaml, after it the labels of the one image.
#include <algorithm>

#include "tests/fuzz/dataset.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/yolo.h"
#include "tools/data/formats/yolo_yaml.h"

FOVEA_FUZZ(bytes) {
  const auto split = std::find(bytes.begin(), bytes.end(), uint8_t{0});
  const size_t yaml = static_cast<size_t>(split - bytes.begin());
  return fovea::fuzz::with_file("data.yaml", bytes.first(yaml), [&](const std::filesystem::path& file) {
    const auto root = file.parent_path();
    fovea::fuzz::make_image(root / "images" / "a.png");
    std::filesystem::create_directories(root / "labels");
    fovea::write_file(root / "labels" / "a.txt", bytes.subspan(yaml < bytes.size() ? yaml + 1 : bytes.size()));
    const std::string path = fovea::read_yolo_yaml(file).path;
    if (!fovea::path_below(root, (root / path).lexically_normal())) return;  // would read the machine's own folders
    fovea::fuzz::read_all(fovea::open_yolo(root, {}).get());
  });
}
