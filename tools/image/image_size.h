// An image's size from the head of its file, without decoding it. The orientation of a PNG may stand behind its pixels,
// and is looked for there too.
#pragma once
#include <filesystem>

namespace fovea {

struct ImageSize {
  int width, height;       // upright: as read_image gives it
  bool as_stored = false;  // not turned: where only so it has the annotated size
};

// Throws ErrorKind::Data, naming the file, when it is missing, empty, of another format, or its head is damaged.
ImageSize read_image_size(const std::filesystem::path& path, ImageSize annotated = {});

}  // namespace fovea
