// A dataset in KITTI's format: the input is the labels of the one image.
#include "tools/data/formats/kitti.h"
#include "tests/fuzz/fuzz.h"
#include "tools/image/image_file.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("input", bytes, [&](const std::filesystem::path& file) {
    const auto root = file.parent_path();
    static const bool made = [&] {
      std::filesystem::create_directories(root / "images");
      std::filesystem::create_directories(root / "labels");
      fovea::write_png(root / "images" / "a.png", {4, 3, std::vector<uint8_t>(36)});
      return true;
    }();
    fovea::write_file(root / "labels" / "a.txt", made ? bytes : fovea::fuzz::Bytes());
    fovea::looks_like_kitti_labels(fovea::fuzz::text_of(bytes));
    const auto reader = fovea::open_kitti(root, {});
    if (reader == nullptr) return;
    for (const std::string& split : reader->splits()) fovea::make_dataset(reader->read(split), split, {});
  });
}
