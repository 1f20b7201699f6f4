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
