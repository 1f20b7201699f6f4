// A dataset in KITTI's format: the input is the labels of the one image.
#include "tools/data/formats/kitti.h"
#include "tests/fuzz/dataset.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("input", bytes, [&](const std::filesystem::path& file) {
    const auto root = file.parent_path();
    fovea::fuzz::make_image(root / "images" / "a.png");
    std::filesystem::create_directories(root / "labels");
    fovea::write_file(root / "labels" / "a.txt", bytes);
    fovea::looks_like_kitti_labels(fovea::fuzz::text_of(bytes));
    fovea::fuzz::read_all(fovea::open_kitti(root, {}).get());
  });
}
