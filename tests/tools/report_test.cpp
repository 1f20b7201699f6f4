#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/pixels_of.h"
#include "tests/support/temporary_folder.h"
#include "tools/report/canvas.h"
#include "tools/report/chart.h"
#include "tools/report/heat_map.h"
#include "tools/report/pictures.h"
#include "tools/report/table.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// The ink on white, in whole pixels' worth.
double ink(const Image& image) {
  double sum = 0;
  for (uint8_t value : image.rgb) sum += (255 - value) / 255.0;
  return sum / 3;
}

constexpr Color red{255, 0, 0};

}  // namespace

TEST_CASE("a table aligns its columns, also with letters beyond ASCII", "[report]") {
  Table table({"class", "AP"});
  table.add({"Blutplättchen", "0.5"});
  table.add({"RBC", "n/a"});
  CHECK(table.text() ==
        "class           AP\n"
        "-------------  ---\n"
        "Blutplättchen  0.5\n"
        "RBC            n/a\n");
  CHECK_THROWS_AS(table.add({"one cell"}), Error);
}

TEST_CASE("areas are filled up to their edges and clipped to the image", "[report]") {
  Image image = blank_image(20, 10, white);
  fill(image, 3, 2, 4, 5, red);
  CHECK(count(image, red) == 20);
  CHECK((at(image, 3, 2) == red && at(image, 6, 6) == red && at(image, 7, 6) == white && at(image, 2, 2) == white));
  fill(image, -5, -5, 100, 100, black);
  CHECK(count(image, black) == 200);
}

TEST_CASE("a line covers length times thickness, wherever it lies, and nothing twice", "[report]") {
  const double angle = GENERATE(0.0, 0.3, 0.8, 1.5708, 2.5);
  CAPTURE(angle);
  const Point a{50 - 30 * std::cos(angle), 50 - 30 * std::sin(angle)},
      b{50 + 30 * std::cos(angle), 50 + 30 * std::sin(angle)};
  Image image = blank_image(100, 100, white);
  draw_line(image, std::vector{a, b}, 3, black);
  const double expected = 60 * 3 + 3.14159 * 1.5 * 1.5;  // with its round ends
  CHECK(ink(image) == Approx(expected).epsilon(0.02));
  Image there_and_back = blank_image(100, 100, white);
  draw_line(there_and_back, std::vector{a, b, a}, 3, black, 0.5);
  CHECK(ink(there_and_back) == Approx(expected / 2).epsilon(0.02));
}

TEST_CASE("fault: lines and text beyond the image are clipped", "[report][fault]") {
  Image image = blank_image(10, 10, white);
  draw_line(image, std::vector<Point>{{-1e9, 5}, {1e9, 5}}, 2, black);
  CHECK(at(image, 0, 5) == black);
  draw_line(image, std::vector<Point>{{100, 100}, {200, 200}}, 2, black);
  draw_line(image, {}, 2, black);
  draw_text(image, -3, -3, "outside", red, 20);
  draw_text(image, 500, 500, "far", red, 20);
  const LabeledBox box{-5, -5, 50, 50, 2, "a long label that does not fit"};
  draw_boxes(image, std::vector{box, LabeledBox{8, 8, 3, 3, -1, ""}});
  CHECK(image.rgb.size() == 300);
}

TEST_CASE("text is drawn in its color, mixed with the image at the edges of letters", "[report]") {
  Image text = blank_image(60, 40, white);
  draw_text(text, 4, 5, "I", red, 30);
  CHECK(count(text, red) > 2 * 20);  // the stem
  for (int y = 0; y < text.height; ++y)
    for (int x = 0; x < text.width; ++x) CHECK((at(text, x, y).r == 255 && at(text, x, y).g == at(text, x, y).b));
  CHECK(ink(text) > 0);
  CHECK(count(text, white) > 60 * 40 - text_width("I", 30) * text_height(30));
}

TEST_CASE("scaling averages areas", "[report]") {
  Image image = blank_image(4, 2, black);
  fill(image, 0, 0, 1, 2, {200, 100, 40});
  const Image half = scaled(image, 2, 1);
  CHECK((at(half, 0, 0) == Color{100, 50, 20} && at(half, 1, 0) == black));
  const Image third = scaled(image, 3, 2);  // the first covers one and a third columns: 200 · 3/4
  CHECK((at(third, 0, 1) == Color{150, 75, 30} && at(third, 1, 1) == black));
  fill(image, 1, 0, 1, 2, {60, 60, 60});
  CHECK((at(scaled(image, 3, 2), 0, 1) == Color{165, 90, 45} && at(scaled(image, 3, 2), 1, 1) == Color{30, 30, 30}));
  CHECK(scaled(image, 8, 4).rgb == scaled(scaled(image, 8, 2), 8, 4).rgb);
  CHECK(scaled(image, 4, 2).rgb == image.rgb);
}

TEST_CASE("boxes are framed in the color of their class, labels lie on top within the image", "[report]") {
  Image image = blank_image(300, 240, white);
  draw_boxes(image, std::vector<LabeledBox>{{50, 60, 150, 160, 0, ""}, {1, 1, 40, 40, 1, "RBC", " 0.9"}});
  CHECK((at(image, 50, 60) == class_color(0) && at(image, 149, 110) == class_color(0) && at(image, 100, 100) == white));
  CHECK(at(image, 150, 160) == white);
  CHECK(at(image, 2 + text_width("RBC 0.9", 10), 2) == class_color(1));
  CHECK(at(image, 3 + text_width("RBC 0.9", 10), 2) == white);
  for (int label = 0; label < 200; ++label) CHECK(!(class_color(label) == class_color(label + 1)));
}

namespace {

// The rows and columns of the label of a box in the middle of an image: that is what has its color and no frame.
Image labeled(int width, int height, const std::string& name, float y = 0.5f) {
  Image image = blank_image(width, height, white);
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  draw_boxes(image, std::vector<LabeledBox>{{0.5f * w, y * h, 0.55f * w, y * h + 3, 0, name, " 0.87"}});
  return image;
}

}  // namespace

TEST_CASE("labels grow with the image and do not cover a small one", "[report]") {
  const auto height = [](int width, int height) {
    const Image image = labeled(width, height, "RBC");
    int rows = 0;
    for (int y = 0; y < image.height; ++y) rows += at(image, image.width / 2 + 1, y) == class_color(0);
    return rows;
  };
  CHECK(height(300, 220) <= 20);
  CHECK(height(640, 480) == Approx(480 / 40 * 1.164 + 2).margin(3));
  CHECK(height(4000, 3000) == Approx(3000 / 40 * 1.164 + 12).margin(5));
}

TEST_CASE("a label stays within its image, short of covering it, and keeps its score", "[report]") {
  const std::string name(300, 'w');
  for (const float y : {0.0f, 0.5f, 0.98f, 1.2f}) {
    CAPTURE(y);
    const Image image = labeled(640, 480, name, y);
    int left = image.width, right = 0, rows = 0;
    for (int row = 0; row < image.height; ++row) {
      bool inked = false;
      for (int x = 0; x < image.width; ++x) {
        if (at(image, x, row) == white) continue;
        left = std::min(left, x), right = std::max(right, x), inked = true;
      }
      rows += inked;
    }
    CHECK((right - left <= 320 && right - left > 280));
    CHECK(rows >= text_height(12));
  }
  Image short_name = labeled(640, 480, "w"), same_score = labeled(640, 480, name);
  CHECK(short_name.rgb != same_score.rgb);
  const int digits = text_width("87", 12), end = 320 + text_width(shortened(name, 12, 320 - 4, " 0.87"), 12) + 2,
            short_end = 320 + text_width("w 0.87", 12) + 2;
  int differences = 0;
  for (int y = 226; y < 238; ++y)
    for (int x = 0; x < digits; ++x)
      differences += std::abs(at(short_name, short_end - x, y).g - at(same_score, end - x, y).g);
  CHECK(differences / (12 * digits) < 40);  // the digits lie at other quarters of a pixel
}

TEST_CASE("a contact sheet holds every picture, scaled to its cell, and cuts captions", "[report]") {
  const Size2d cell = sheet_cell({100, 200}, 100);
  CHECK(cell == Size2d{50, 100});
  std::vector<CaptionedPicture> pictures(5);
  for (CaptionedPicture& picture : pictures) {
    picture.image = fitted(blank_image(&picture == &pictures[4] ? 50 : 200, 100, red), cell);
    picture.caption.assign(200, 'w');
  }
  const Image sheet = contact_sheet(pictures, 3, cell);
  CHECK(sheet.width == 3 * 112 + 12);
  CHECK(count(sheet, red) == 4 * 100 * 50 + 25 * 50);
  CHECK(contact_sheet(std::vector{pictures[0]}, 3, cell).width == 124);
}

TEST_CASE("a chart draws every series in the PNG and in the SVG", "[report]") {
  Chart chart{"Training <&>",
              "step",
              {{"loss", {{"total", {}, true}, {"box", {}, true}}}, {"validation", {{"AP", {{1, 0.2}, {50, 0.4}}}}}}};
  for (int i = 1; i <= 5000; ++i) {
    chart.panels[0].series[0].points.push_back(
        {double(i), i == 7 ? std::numeric_limits<double>::quiet_NaN() : 5.0 / i + 0.5});
    chart.panels[0].series[1].points.push_back({double(i), 0.5});
  }
  const test::TemporaryFolder folder;
  write_chart(folder.path() / "chart.png", chart);
  const Image png = read_image(folder.path() / "chart.png");
  for (Color color : {Color{31, 119, 180}, Color{214, 69, 65}}) CHECK(count(png, color) > 300);
  const std::string svg = chart_svg(chart);
  CHECK_THAT(svg, Contains("Training &lt;&amp;&gt;") && Contains("#1f77b4") && Contains("#d64541") &&
                      !Contains("nan,") && !Contains(",nan"));
  CHECK(svg.size() < 100'000);
  CHECK_THROWS_AS(write_chart("/nowhere/chart.png", chart), Error);
}

TEST_CASE("a chart's axis reaches a short series' last value, and passes over the first losses of a long noisy one",
          "[report]") {
  const auto svg_of = [](size_t points, bool noisy) {
    Series series{.name = "", .noisy = noisy};
    for (size_t i = 0; i < points; ++i) series.points.push_back({static_cast<double>(i), i == 0 ? 40.0 : 4.0});
    return chart_svg({.title = "", .x_label = "step", .panels = {{.title = "", .series = {series}}}});
  };
  CHECK_THAT(svg_of(2, false), Contains(">40</text>"));
  CHECK_THAT(svg_of(2, true), Contains(">40</text>"));
  CHECK_THAT(svg_of(100, false), Contains(">40</text>"));
  CHECK_THAT(svg_of(100, true), !Contains(">30</text>") && Contains(">4</text>"));
}

TEST_CASE("names in any language stand in charts, on one line and within the picture", "[report]") {
  const std::string long_name(3000, 'w');
  const HeatMap map{"Confusion",
                    "annotated",
                    "detected",
                    {"红细胞 <é>", "a\nb\xff", long_name},
                    std::vector<double>(9),
                    std::vector<std::string>(9)};
  const std::string svg = drawing_svg(heat_drawing(map));
  CHECK_THAT(svg, Contains(">红细胞 &lt;é&gt;</text>") && Contains(">a b\ufffd</text>") && Contains("w…</text>"));
  CHECK(find_invalid_utf8(svg) == std::string::npos);
  CHECK(heat_drawing(map).width < 700);
  const Chart chart{long_name, "step", {{"loss", {}}}};
  CHECK_THAT(chart_svg(chart), Contains("w…</text>") && !Contains(std::string(200, 'w')));
}

TEST_CASE("fault: a chart of nothing, of one point or of extreme values is drawn too", "[report][fault]") {
  const double huge = GENERATE(0.0, 1e-30, 1e30, -5.0);
  const Chart chart{
      "", "step", {{"none", {{"a", {}}}}, {"one", {{"b", {{1, huge}}}}}, {"two", {{"c", {{0, huge}, {1e7, -huge}}}}}}};
  CHECK(chart_image(chart).width == 3 * 640);
  CHECK_THAT(chart_svg(chart), Contains("no values yet") && !Contains("nan,") && !Contains(",nan") && !Contains("inf"));
}
