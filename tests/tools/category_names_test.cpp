// Classes whose names are nearly alike.
#include "tools/data/formats/category_names.h"

#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/made_image.h"
#include "tests/support/training_folder.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

std::string one_box(const std::string& image, int category, const std::string& categories) {
  return coco({coco_image(1, image, 64, 48)}, {coco_box(1, 1, category, "4, 6, 30, 20")}, categories);
}

}  // namespace

TEST_CASE("classes of train and val that differ only in letter case or spaces are named", "[data]") {
  const TrainingFolder set;
  const fs::path data = set.folder.path() / "data";
  for (const char* name : {"images/a.png", "images/b.png"}) make_image(data / name, 64, 48);
  write_text(data / "train.json", one_box("a.png", 1, R"({"id": 1, "name": "traffic light"})"));
  write_text(data / "val.json", one_box("b.png", 2, R"({"id": 2, "name": "Traffic_Light"})"));
  const std::string line =
      "the classes 'traffic light' and 'Traffic_Light' of train and val differ only in letter case";
  const auto stats = run_fovea({"data", "stats", data.string(), "--out", set.run("stats").string()});
  CHECK_THAT(stats.out, Contains(line));
  const auto checked = run_fovea({"data", "check", data.string(), "--out", set.run("check").string()});
  CHECK_THAT(checked.out, Contains(line));
  const auto trained = run_fovea({"train", "--preset", "tiny", "--data", data.string(), "--out",
                                  set.run("run").string(), "--set", "train.steps=1", "train.batch=1"});
  CHECK_THAT(trained.out, Contains(line));
}

TEST_CASE("names of two splits are alike only where neither has the other's", "[data]") {
  const std::vector<Category> lower{{1, "cat"}}, upper{{2, "Cat"}}, both{{1, "cat"}, {2, "Cat"}};
  CHECK_THAT(names_alike("train", lower, "val", upper), Contains("'cat' and 'Cat' of train and val"));
  CHECK(names_alike("train", lower, "val", lower).empty());
  CHECK(names_alike("train", both, "val", upper).empty());
  CHECK(names_alike("train", lower, "val", {{1, "cats"}}).empty());
}
