// Writes a tiny model and an image into a folder, for programs that know the C API alone.
#include "tests/support/weights_file.h"

int main(int, char** arguments) {
  const std::filesystem::path folder = arguments[1];
  std::filesystem::create_directories(folder);
  fovea::test::write_weights(folder / "weights.safetensors");
  write_png(folder / "image.png", *fovea::test::DetectionScene().image(0).image);
}
