// A tiny network with something to find everywhere, and images of three shapes. Convolution is direct: whether
// Winograd's method is the faster one, and so the rounding, hangs on how many images there are.
#pragma once
#include "tools/config/config.h"
#include "tools/detect/detector.h"

namespace fovea::test {

struct DetectionScene {
  Config config = [] {
    Config tiny = preset("tiny");
    tiny.model.classes = 3;
    tiny.model.detect.score_threshold = 0.005;  // below the prior of an untrained network
    return tiny;
  }();
  Context context;
  RetinaNet model;

  explicit DetectionScene(DeviceKind device = DeviceKind::Cpu, Precision precision = Precision::F32)
      : context(device, precision, kernels::ConvAlgorithm::Direct), model(context, config.model, 1) {}

  // The n-th image: noise, mostly wide, some high, now and then square.
  LoadedImage image(size_t n) const {
    const Size2d size = n % 7 == 6 ? Size2d{96, 96} : n % 4 == 3 ? Size2d{120, 90} : Size2d{90, 120};
    auto pixels = std::make_shared<Image>(Image{size.width, size.height, {}});
    uint32_t state = static_cast<uint32_t>(n) + 1;
    for (int i = 0; i < size.width * size.height * 3; ++i)
      pixels->rgb.push_back(static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24));
    LoadedImage loaded;
    loaded.image = pixels;
    loaded.full = size;
    loaded.size = resized(size, config.input.short_side.back(), config.input.long_side);
    return loaded;
  }

  // What is found in the images 0 … count − 1, by image. Nothing else was added to the detector but by this.
  std::vector<std::vector<Detected>> detect(Detector& detector, size_t count) const {
    std::vector<std::vector<Detected>> boxes(count);
    const auto take = [&](const std::vector<Detector::Found>& found) {
      for (const Detector::Found& one : found) boxes.at(one.number % count) = one.boxes;
    };
    for (size_t n = 0; n < count; ++n) take(detector.add(image(n)));
    take(detector.finish());
    return boxes;
  }
};

inline bool same_boxes(const std::vector<std::vector<Detected>>& a, const std::vector<std::vector<Detected>>& b) {
  const auto same = [](const Detected& x, const Detected& y) {
    return x.x1 == y.x1 && x.y1 == y.y1 && x.x2 == y.x2 && x.y2 == y.y2 && x.score == y.score && x.label == y.label;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& of_a, const auto& of_b) {
    return std::equal(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), same);
  });
}

}  // namespace fovea::test
