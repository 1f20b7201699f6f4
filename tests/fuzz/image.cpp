// An image file of any format: as it is, kept where damaged, scaled while decoding, and its size alone.
#include "tests/fuzz/fuzz.h"
#include "tools/image/image_file.h"
#include "tools/image/image_size.h"

FOVEA_FUZZ(bytes) {
  fovea::ImageOptions options{.pixels = 1 << 20};
  for (const bool keep : {false, true}) {
    options.keep_damaged = keep;
    if (keep) options.jpeg_divisor = [](int, int) { return 2; };
    try {
      fovea::decode_image_file(bytes, "image", options);
    } catch (const fovea::Error& error) {
      if (error.kind() != fovea::ErrorKind::Data) throw;
    }
  }
  return fovea::fuzz::with_file("image", bytes, [](const auto& file) { fovea::read_image_size(file); });
}
