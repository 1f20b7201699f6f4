// A dataset of OpenImages': up to the first byte 0 the input is the table of boxes, after it that of class names.
#include "tools/data/formats/open_images.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tools/image/image_file.h"

FOVEA_FUZZ(bytes) {
  const auto split = std::find(bytes.begin(), bytes.end(), uint8_t{0});
  const auto table = static_cast<size_t>(split - bytes.begin());
  return fovea::fuzz::with_file(
      "train-annotations-bbox.csv", bytes.first(table), [&](const std::filesystem::path& file) {
        const auto root = file.parent_path();
        static const bool made = [&] {
          std::filesystem::create_directories(root / "train");
          fovea::write_png(root / "train" / "0a.png", {4, 3, std::vector<uint8_t>(36)});
          return true;
        }();
        fovea::write_file(root / "class-descriptions.csv",
                          bytes.subspan(made && table < bytes.size() ? table + 1 : bytes.size()));
        const auto reader = fovea::open_open_images(root, {});
        if (reader == nullptr) return;
        for (const std::string& name : reader->splits()) fovea::make_dataset(reader->read(name), name, {});
      });
}
