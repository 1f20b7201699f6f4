#include "model/anchors.h"

#include "tests/support/catch.h"
#include "tests/support/golden.h"

using namespace fovea;

TEST_CASE("golden: anchors equal torchvision's exactly", "[anchors]") {
  const auto golden = test::golden("anchors");
  AnchorConfig config;
  config.rounded = true;
  const std::vector<Size2d> levels{{20, 28}, {10, 14}, {5, 7}, {3, 4}, {2, 2}};
  const auto expected_cells = golden.read<float>("cells");
  std::vector<float> cells;
  for (size_t level = 0; level < 5; ++level) {
    const auto of_level = anchor_cells(config, level);
    cells.insert(cells.end(), of_level.begin(), of_level.end());
  }
  CHECK(cells == expected_cells);
  CHECK(make_anchors(config, {160, 224}, levels) == golden.read<float>("anchors"));
}

TEST_CASE("the paper's anchors have the areas and ratios of section 4", "[anchors]") {
  const AnchorConfig config;
  for (size_t level = 0; level < 5; ++level) {
    const auto cells = anchor_cells(config, level);
    REQUIRE(cells.size() == 36);
    for (size_t i = 0; i < 9; ++i) {
      const double width = cells[4 * i + 2] - cells[4 * i], height = cells[4 * i + 3] - cells[4 * i + 1];
      const double size = config.sizes[level] * std::exp2(config.octaves[i % 3]);
      // Each edge is rounded to fp32 once: relative error 2^-24 each, area and ratio take two.
      CHECK(width * height == Approx(size * size).epsilon(4 * 0x1p-24));
      CHECK(height / width == Approx(config.ratios[i / 3]).epsilon(4 * 0x1p-24));
    }
  }
}

TEST_CASE("anchors half a stride from their locations, with the last pixel in them, are ODTK's", "[anchors]") {
  AnchorConfig config;
  config.offset = 0.5;
  config.inclusive = true;
  const std::vector<Size2d> levels{{20, 28}, {10, 14}, {5, 7}, {3, 4}, {2, 2}};
  const auto anchors = make_anchors(config, {160, 224}, levels);
  size_t at = 0;
  for (const Size2d level : levels) {
    const int stride = 160 / level.height;
    const double nominal = level.height == 3 ? 64 : level.height == 2 ? 128 : stride;
    for (int y = 0; y < level.height; ++y)
      for (int x = 0; x < level.width; ++x)
        for (const double ratio : config.ratios)
          for (const double octave : config.octaves) {
            // ODTK: x1, x2 = (stride ∓ width) / 2 behind the location; the box reaches to x2 + 1.
            const double scale = 4 * std::exp2(octave), width = nominal / std::sqrt(ratio) * scale;
            const int stride_x = 224 / level.width;
            CHECK(anchors[at] == Approx(x * stride_x + 0.5 * (stride_x - width)).margin(1e-3));
            CHECK(anchors[at + 2] == Approx(x * stride_x + 0.5 * (stride_x + width) + 1).margin(1e-3));
            const double height = nominal * std::sqrt(ratio) * scale;
            CHECK(anchors[at + 1] == Approx(y * stride + 0.5 * (stride - height)).margin(1e-3));
            CHECK(anchors[at + 3] == Approx(y * stride + 0.5 * (stride + height) + 1).margin(1e-3));
            at += 4;
          }
  }
  CHECK(at == anchors.size());
}
