// Detections of other programs in other units or another order than COCO's, and what eval says of them.
#include <random>

#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/temporary_folder.h"
#include "tools/text/file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
using Box = std::array<double, 4>;

namespace {

struct Found {
  int image;
  Box box;
  double score;
};

// Six images of 200 x 100, two objects each, of which a detector finds all but for a pixel.
struct Scene {
  TemporaryFolder folder;
  std::string truth;
  std::vector<Found> found;

  Scene() {
    std::mt19937 random(7);
    std::vector<std::string> images, objects;
    const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
    for (int image = 1; image <= 6; ++image) {
      images.push_back(coco_image(image, fmt::format("img_{}.jpg", image), 200, 100));
      for (int i = 0; i < 2; ++i) {
        const int x = 30 + 85 * i + below(20), y = 10 + below(20), w = 40 + below(20), h = 20 + below(20);
        objects.push_back(coco_box(static_cast<int>(objects.size()) + 1, image, 1 + i,
                                   fmt::format("{}, {}, {}, {}", x, y, w, h), R"(, "iscrowd": 0, "area": 900)"));
        found.push_back({image, {x + 1.0, 1.0 * y, 1.0 * w, h - 1.0}, 0.9 - 0.1 * i});
      }
    }
    truth = coco(images, objects);
  }

  // With every number as `change` makes it; `images`: only the first so many.
  template <class Change>
  ProcessResult eval(Change&& change, double scale = 1, int images = 6) const {
    std::string text;
    for (const auto& [image, box, score] : found)
      if (image <= images)
        text += fmt::format(R"({}{{"image_id": {}, "category_id": 1, "bbox": [{}], "score": {}}})",
                            text.empty() ? "[" : ", ", image, fmt::join(change(box), ", "), score * scale);
    return eval_text(text + "]");
  }
  ProcessResult eval_text(const std::string& text) const { return eval_texts(truth, text); }
  ProcessResult eval_texts(const std::string& objects, const std::string& text) const {
    write_file(folder.path() / "gt.json", objects);
    write_file(folder.path() / "dt.json", text);
    return run_fovea({"eval", "--ground-truth", (folder.path() / "gt.json").string(), "--detections",
                      (folder.path() / "dt.json").string()});
  }
};

Box same(Box b) { return b; }
Box corners(Box b) { return {b[0], b[1], b[0] + b[2], b[1] + b[3]}; }

}  // namespace

TEST_CASE("results as COCO has them are evaluated without a word", "[eval]") {
  const auto right = Scene().eval(same);
  CHECK(right.exit_code == 0);
  CHECK(right.err.empty());
}

TEST_CASE("fault: results in another unit or order are refused with what they look like", "[eval][fault]") {
  const Scene scene;
  const auto refusal = [&](auto&& change) {
    const auto result = scene.eval(change);
    CHECK(result.exit_code == 3);
    return result.err;
  };
  CHECK_THAT(refusal([](Box b) { return Box{b[0] / 200, b[1] / 100, b[2] / 200, b[3] / 100}; }),
             Contains("dt.json: every box is under one pixel: the boxes look like parts of the image's size"));
  CHECK_THAT(refusal(corners), Contains("dt.json: the boxes look like x1, y1, x2, y2: read so, 12 of the 12 best"));
  CHECK_THAT(refusal([](Box b) { return Box{b[1], b[0], b[3], b[2]}; }), Contains("look like y, x, height, width"));
  CHECK_THAT(refusal([](Box b) { return Box{b[1], b[0], b[1] + b[3], b[0] + b[2]}; }),
             Contains("look like y1, x1, y2, x2"));
  CHECK_THAT(refusal([](Box b) { return Box{b[0] + b[2] / 2, b[1] + b[3] / 2, b[2], b[3]}; }),
             Contains("look like center x, center y, width, height"));
}

TEST_CASE("fault: results in another scale are refused with what they look like", "[eval][fault]") {
  const Scene scene;
  const auto refusal = [&](double x, double y) {
    const auto result = scene.eval([&](Box b) { return Box{b[0] * x, b[1] * y, b[2] * x, b[3] * y}; });
    CHECK(result.exit_code == 3);
    return result.err;
  };
  CHECK_THAT(refusal(0.5, 1),
             Contains("dt.json: the boxes look like per cent of the image's width and height: read so, "
                      "12 of the 12 best detections lie on an object (IoU 0.5), and 0 as x, y, width, "
                      "height; write bbox in pixels of the image as the ground truth has it"));
  CHECK_THAT(refusal(5, 10), Contains("look like thousandths of the image's width and height"));
  CHECK_THAT(refusal(3, 3), Contains("look like pixels times 3.0"));
}

TEST_CASE("boxes far beyond their images are said", "[eval]") {
  const auto far = Scene().eval([](Box b) { return Box{b[0] + 250, b[1], b[2], b[3]}; });
  CHECK(far.exit_code == 0);
  CHECK_THAT(far.err,
             Contains("dt.json: 12 of 12 boxes reach far beyond their image, the first that of results[0]: [") &&
                 Contains("] in an image of 200×100; expected x, y, width, height in pixels of the image"));
  const auto absurd = Scene().eval([i = 0](Box b) mutable { return i++ == 3 ? Box{b[0], b[1], 1e308, 1e308} : b; });
  CHECK(absurd.exit_code == 0);
  CHECK_THAT(absurd.err, Contains("1 of 12 boxes reach far beyond their image, the first that of results[3]: ["));
}

TEST_CASE("fault: results whose category ids are shifted are refused", "[eval][fault]") {
  const Scene scene;
  const std::string names = R"({"id": 4, "name": "cells"}, {"id": 5, "name": "cat"}, {"id": 6, "name": "dog"},
                               {"id": 7, "name": "fox"}, {"id": 9, "name": "owl"})";
  std::vector<std::string> images, objects;
  const auto entries = [&](auto&& category) {
    std::string text;
    for (int image = 1; image <= 4; ++image)
      for (int i = 0; i < 2; ++i)
        text += fmt::format(R"({}{{"image_id": {}, "category_id": {}, "bbox": [{}, 20, 30, 40], "score": 0.9}})",
                            text.empty() ? "[" : ", ", image, category(5 + i), 10 + 80 * i);
    return scene.eval_texts(coco(images, objects, names), text + "]");
  };
  for (int image = 1; image <= 4; ++image) {
    images.push_back(coco_image(image, fmt::format("img_{}.jpg", image), 200, 100));
    for (int i = 0; i < 2; ++i)
      objects.push_back(coco_box(2 * image + i, image, 5 + i, fmt::format("{}, 20, 30, 40", 10 + 80 * i),
                                 R"(, "iscrowd": 0, "area": 1200)"));
  }
  CHECK(entries([](int id) { return id; }).err.empty());
  const auto less = entries([](int id) { return id - 1; });
  CHECK(less.exit_code == 3);
  CHECK_THAT(less.err, Contains("dt.json: 8 of the best detections lie on an object (IoU 0.5), and 0 of them on one of "
                                "their category: the category ids look like one less than the ground truth's, as "
                                "which 8 match: add 1 to each"));
  const auto more = entries([](int id) { return id + 1; });
  CHECK(more.exit_code == 3);
  CHECK_THAT(more.err, Contains("look like one more than the ground truth's, as which 8 match: subtract 1 from each"));
  const auto of_one = entries([](int) { return 6; });  // a detector that takes all for one class
  CHECK(of_one.exit_code == 0);
  CHECK(of_one.err.empty());
}

TEST_CASE("results whose categories match nowhere are evaluated with a warning", "[eval]") {
  const Scene scene;
  const std::string names = R"({"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"},
                               {"id": 7, "name": "d"})";
  std::vector<std::string> images, objects;
  std::string text;
  for (int image = 1; image <= 12; ++image) {
    images.push_back(coco_image(image, fmt::format("img_{}.jpg", image), 200, 100));
    objects.push_back(coco_box(image, image, 1 + image % 3, "10, 20, 30, 40", R"(, "iscrowd": 0, "area": 1200)"));
    text += fmt::format(R"({}{{"image_id": {}, "category_id": 7, "bbox": [10, 20, 30, 40], "score": 0.9}})",
                        text.empty() ? "[" : ", ", image);
  }
  const auto result = scene.eval_texts(coco(images, objects, names), text + "]");
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.err, Contains("12 of the best detections lie on an object (IoU 0.5), and 0 of them on one of their "
                                  "category: do the category ids follow another list than the ground truth's?"));
}

TEST_CASE("results of few boxes that look like another order are evaluated with a warning", "[eval]") {
  const auto few = Scene().eval(corners, 1, 1);
  CHECK(few.exit_code == 0);
  CHECK_THAT(few.err, Contains("the boxes look like x1, y1, x2, y2: read so, 2 of the 2 best"));
}

TEST_CASE("results of a detector that finds little are not taken for another order", "[eval]") {
  const auto bad = Scene().eval([](Box b) { return Box{b[0], b[1], b[2] / 4, b[3] / 4}; });
  CHECK(bad.exit_code == 0);
  CHECK(bad.err.empty());
}

TEST_CASE("objects and results in the same unit are compared as they are", "[eval]") {
  const Scene scene;
  const auto parts =
      scene.eval_texts(coco({coco_image(1, "a.jpg", 200, 100)},
                            {coco_box(1, 1, 1, "0.1, 0.2, 0.3, 0.4", R"(, "iscrowd": 0, "area": 1)")}),
                       R"([{"image_id": 1, "category_id": 1, "bbox": [0.1, 0.2, 0.3, 0.4], "score": 1}])");
  CHECK(parts.exit_code == 0);
  CHECK(parts.err.empty());
}

TEST_CASE("scores that are not in 0…1 are named", "[eval]") {
  const auto cent = Scene().eval(same, 100);
  CHECK(cent.exit_code == 0);
  CHECK_THAT(cent.err, Contains("dt.json: 12 of 12 scores are not in 0…1, the first that of results[0], 90; do they "
                                "count per cent? Then divide them by 100; AP only compares them"));
  const auto negative = Scene().eval(same, -1);
  CHECK_THAT(negative.err, Contains("12 of 12 scores are not in 0…1") && !Contains("per cent"));
}

TEST_CASE("results name images and categories by words: the ground truth's ids, or their names", "[eval]") {
  const Scene scene;
  const auto entry = [](const std::string& image, const std::string& category) {
    return fmt::format(R"([{{"image_id": "{}", "category_id": "{}", "bbox": [10, 20, 30, 40], "score": 0.5}}])", image,
                       category);
  };
  const std::string box = R"({"image_id": "n-2", "category_id": "c", "bbox": [10, 20, 30, 40], "id": 1, "iscrowd": 0})";
  const std::string words = fmt::format(
      R"({{"images": [{{"id": "n-1", "file_name": "x/a.jpg"}}, {{"id": "n-2", "file_name": "x/b.jpg"}}],
          "annotations": [{}], "categories": [{{"id": "c", "name": "cat"}}]}})",
      box);
  for (const char* image : {"n-2", "x/b.jpg", "b.jpg", "b"})
    for (const char* category : {"c", "cat"}) {
      CAPTURE(image, category);
      const auto result = scene.eval_texts(words, entry(image, category));
      CHECK(result.exit_code == 0);
      CHECK_THAT(result.out, Contains("1.000"));
      CHECK_THAT(result.err, Contains("images: the ids are words; they are numbered from 1 on"));
    }
  const auto image = scene.eval_texts(words, entry("n-3", "c"));
  CHECK(image.exit_code == 3);
  CHECK_THAT(image.err, Contains("results[0]: the ground truth has no image called n-3"));
  const auto category = scene.eval_texts(words, entry("n-2", "dog"));
  CHECK(category.exit_code == 3);
  CHECK_THAT(category.err, Contains("results[0].category_id: the ground truth has no category dog"));
}

TEST_CASE("an area that is no number is that of the box in an evaluation, too, and negative ones stay", "[eval]") {
  const Scene scene;
  const std::string result = R"([{"image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.5}])";
  const auto with_area = [&](const std::string& area) {
    return scene.eval_texts(coco({coco_image(1, "a.jpg", 200, 100)},
                                 {coco_box(1, 1, 1, "10, 20, 30, 40", R"(, "iscrowd": 0, "area": )" + area)}),
                            result);
  };
  for (const char* area : {"NaN", "\"big\"", "[1]"}) {
    const auto odd = with_area(area);
    CHECK(odd.exit_code == 0);
    CHECK_THAT(odd.err, Contains(fmt::format("1 annotations have an area that is no number: width x height is taken; "
                                             "the first: annotations[0].area: {}",
                                             area)));
  }
  CHECK(with_area("-5").err.empty());
}
