#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/eval_scene.h"
#include "tests/support/pixels_of.h"
#include "tools/eval/report_charts.h"
#include "tools/eval/report_page.h"
#include "tools/report/html.h"
#include "tools/report/pictures.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

std::string base64_of(const std::string& text) {
  return base64({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

TEST_CASE("base64 is that of RFC 4648", "[eval]") {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, expected] : examples) CHECK(base64_of(text) == expected);
  CHECK(base64_of("\xff\xef\xbe") == "/+++");
}

TEST_CASE("a JPEG that was written reads back nearly the same", "[eval]") {
  Image image = blank_image(37, 21, {200, 100, 50});
  fill(image, 16, 0, 21, 21, {20, 60, 220});
  const Image copy = decode_image(encode_jpeg(image, 95), "copy");
  REQUIRE((copy.width == 37 && copy.height == 21));
  double difference = 0;
  for (size_t i = 0; i < image.rgb.size(); ++i) difference += std::abs(image.rgb[i] - copy.rgb[i]);
  CHECK(difference / static_cast<double>(image.rgb.size()) < 3);  // of 255; a swapped channel would be 100
}

TEST_CASE("bars are as long as their values, and what has none has no bar", "[eval]") {
  const BarChart chart{
      "title", "share", {"one", "two"}, {{"first", {0.5, 1}, "9 objects"}, {"second", {-1, 0}, ""}}, 1};
  const Image image = drawing_image(bar_drawing(chart));
  const auto half = count(image, series_color(0)), whole = count(image, series_color(1));
  const int64_t legend = 18 * 12;
  CHECK(half > 1000);
  CHECK(std::abs(2 * (half - legend) - (whole - legend)) < 100);
  CHECK_THAT(drawing_svg(bar_drawing(chart)), Contains("9 objects") && Contains("1.000") && !Contains("-1"));
  const BarChart zeros{"title", "AP", {}, {{"a", {0}, ""}}};
  CHECK_THAT(drawing_svg(bar_drawing(zeros)), !Contains(">nan") && !Contains("\"nan") && !Contains("inf"));
}

TEST_CASE("a heat map is darkest where the share is 1, and names its rows", "[eval]") {
  const HeatMap map{"title", "annotated", "detected", {"a & b", "background"}, {1, 0, 0.5, 0}, {"7", "", "5", ""}};
  const Image image = drawing_image(heat_drawing(map));
  CHECK(count(image, {8, 64, 129}) > 2000);
  CHECK_THAT(drawing_svg(heat_drawing(map)),
             Contains(">a &amp; b<") && Contains(">background<") && Contains(">2<") && Contains(">7<"));
}

TEST_CASE("a page's tables and pictures carry what is in them, escaped", "[eval]") {
  CHECK_THAT(html_table({"a", "b"}, {{"1", "2"}}),
             Contains("<tr><th>a</th><th>b</th></tr>") && Contains("<tr><td>1</td><td>2</td></tr>"));
  CHECK_THAT(html_image(std::vector<uint8_t>{'f'}, "x \"y\""),
             Contains("alt=\"x &quot;y&quot;\"") && Contains("base64,Zg=="));
  CHECK_THAT(html_page("<t>", "body"), Contains("<title>&lt;t&gt;</title>") && Contains("charset=\"utf-8\""));
}

TEST_CASE("the errors of an image are drawn in the colors that the page explains", "[eval]") {
  TruthSet truth{.images = {{1, "a.jpg"}}, .categories = {{1, "cat"}, {2, "dog"}}};
  const auto object = [&](int64_t category, double x) {
    truth.objects.push_back({1, category, x, 300, 100, 100, 1e4, false, int64_t(truth.objects.size()) + 1});
  };
  std::vector<Detection> found;
  object(1, 100), found.push_back({1, 1, 110, 300, 100, 100, 0.9});    // right
  object(1, 300), found.push_back({1, 2, 310, 300, 100, 100, 0.9});    // of another class
  object(2, 500);                                                      // missed
  object(2, 1500), found.push_back({1, 2, 1500, 300, 100, 100, 0.9});  // right: dogs have a best score
  found.push_back({1, 1, 700, 300, 100, 100, 0.9});                    // false
  const CocoMetrics metrics = coco_metrics(truth.categories, truth.objects, found);
  const ReportData data(truth, found, metrics);
  REQUIRE(data.worst.size() == 1);
  const Image picture = draw_errors(blank_image(2000, 1000, white), data.worst[0], truth, 1000);
  CHECK((picture.width == 1000 && picture.height == 500));
  // At half the size: the left edges, two pixels wide.
  CHECK(at(picture, 51, 190) == class_color(1));   // annotated and found
  CHECK(at(picture, 56, 190) == class_color(3));   // right
  CHECK(at(picture, 156, 190) == class_color(4));  // of another class
  CHECK(at(picture, 251, 190) == class_color(2));  // missed
  CHECK(at(picture, 351, 190) == class_color(0));  // false
}

TEST_CASE("the page of a set without ground truth, and of one without detections, has no number that means nothing",
          "[eval]") {
  const bool with_objects = GENERATE(false, true);
  const test::Scene scene = test::random_scene(3);
  TruthSet truth = scene.set();
  std::vector<Detection> found = scene.found;
  if (with_objects)
    found.clear();
  else
    truth.objects.clear();
  const CocoMetrics metrics = coco_metrics(truth.categories, truth.objects, found);
  const ReportData data(truth, found, metrics);
  const std::string page = report_page(data, std::vector<WorstPicture>(data.worst.size()));
  CHECK_THAT(page, Contains("n/a") && !Contains(">nan") && !Contains("nan,") && !Contains("\"nan") &&
                       !Contains("inf,") && !Contains("-1.000"));
}
