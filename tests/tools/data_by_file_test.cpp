// Datasets that are one file, or whose parts lie in several places, as users name them on the command line.
#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/made_image.h"
#include "tests/support/test_data.h"
#include "tests/support/training_folder.h"
#include "tests/support/weights_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// exports/job_1.json and exports/job_2.json, whose images are in pictures/.
struct Exports : TrainingFolder {
  fs::path exports = folder.path() / "exports", pictures = folder.path() / "pictures";

  Exports() {
    fs::create_directories(exports);
    for (const int job : {1, 2}) {
      std::vector<std::string> images, boxes;
      for (const int id : {1, 2}) {
        const std::string name = fmt::format("job{}_{}.png", job, id);
        make_image(pictures / name, 64, 48);
        images.push_back(coco_image(id, name, 64, 48));
        boxes.push_back(coco_box(id, id, id, "4, 6, 30, 20"));
      }
      write_file(file(job), coco(images, boxes));
    }
  }
  std::string file(int job) const { return (exports / fmt::format("job_{}.json", job)).string(); }
  Arguments with_images(Arguments arguments) const {
    return joined(std::move(arguments), {"--images", pictures.string()});
  }
};

}  // namespace

TEST_CASE("a COCO file by its own path is a set that is not split, its images where --images says", "[data]") {
  const Exports set;
  const auto checked = run_fovea(set.with_images({"data", "check", set.file(1), "--out", set.run("check").string()}));
  CHECK_THAT(checked.out, Contains("dataset in coco format") && Contains("missing                            0"));
  CHECK_THAT(checked.out, Contains("not split yet") && Contains("fovea data split " + set.file(1) + " --val 0.2 OUT"));
  CHECK(checked.exit_code == 0);
  const auto nowhere = run_fovea({"data", "stats", set.file(1), "--out", set.run("stats").string()});
  CHECK_THAT(nowhere.out, Contains("no image was found in") && Contains("(--images) if they are elsewhere"));
  const auto stats = run_fovea(set.with_images({"data", "stats", set.file(1), "--out", set.run("stats").string()}));
  CHECK(stats.exit_code == 0);
  CHECK_THAT(stats.out, !Contains("no image was found"));
  const auto shown = run_fovea(set.with_images({"data", "show", set.file(1), "--out", set.run("shown").string()}));
  CHECK(shown.exit_code == 0);
  const auto fitted = run_fovea(set.with_images({"anchors", set.file(1), "--out", set.run("anchors").string()}));
  CHECK(fitted.exit_code == 0);
  const auto split =
      run_fovea(set.with_images({"data", "split", set.file(1), "--val", "0.5", set.run("split").string()}));
  CHECK(split.exit_code == 0);
  CHECK(load_dataset(set.run("split"), "val").samples.size() == 1);
  const auto converted =
      run_fovea(set.with_images({"data", "convert", set.file(1), "--to", "voc", set.run("voc").string()}));
  CHECK(converted.exit_code == 0);
  CHECK(load_dataset(set.run("voc"), "all").samples.size() == 2);
}

TEST_CASE("training and evaluation take one COCO file each", "[data]") {
  const Exports set;
  const Arguments train{
      "train", "--preset",      "tiny",         "--data", set.file(1), "--out", set.run("run").string(),
      "--set", "train.steps=1", "train.batch=1"};
  const auto unsplit = run_fovea(set.with_images(train));
  CHECK(unsplit.exit_code == 3);
  CHECK_THAT(unsplit.err, Contains("has no split 'train'") && Contains("it is not split"));
  fs::remove_all(set.run("run"));
  const auto trained = run_fovea(set.with_images(joined(train, {"--val", set.file(2)})));
  CHECK(trained.exit_code == 0);
  CHECK_THAT(trained.out, Contains("2 images, 2 boxes, 2 classes") && !Contains("images of train too"));
  const auto evaluated = run_fovea(
      set.with_images({"eval", "--weights", (set.run("run") / "last.safetensors").string(), "--data", set.file(2)}));
  CHECK(evaluated.exit_code == 0);
  CHECK_THAT(evaluated.out, Contains("AP"));
}

TEST_CASE("a training says where its validation takes images that it trains on", "[data]") {
  const Exports set;
  const auto trained =
      run_fovea(set.with_images({"train", "--preset", "tiny", "--data", set.file(1), "--val", set.file(1), "--out",
                                 set.run("run").string(), "--set", "train.steps=1", "train.batch=1"}));
  CHECK(trained.exit_code == 0);
  CHECK_THAT(trained.out, Contains("val: 2 of its 2 images are images of train too"));
}

TEST_CASE("eval says where the dataset has other names for the classes of the weights", "[data]") {
  const Exports set;
  const std::string weights = write_weights(set.folder.path() / "weights.safetensors"),  // RBC, WBC, Platelets
      file = set.run("truth.json").string();
  const auto said = [&](const std::string& categories) {
    write_file(file, coco({coco_image(1, "job1_1.png", 64, 48)}, {coco_box(1, 1, 2, "4, 6, 30, 20")}, categories));
    const auto evaluated = run_fovea(set.with_images({"eval", "--weights", weights, "--data", file}));
    CHECK(evaluated.exit_code == 0);
    return evaluated.err;
  };
  const std::string platelets = R"(, {"id": 3, "name": "Platelets"})";
  CHECK_THAT(said(R"({"id": 1, "name": "RBC"}, {"id": 2, "name": "WBC"})" + platelets), !Contains("classes"));
  CHECK_THAT(said(R"({"id": 1, "name": "WBC"}, {"id": 2, "name": "RBC"})" + platelets), !Contains("classes"));
  CHECK_THAT(said(R"({"id": 1, "name": "dog"}, {"id": 2, "name": "WBC"})" + platelets),
             Contains("the classes go by their ids") && Contains("1 RBC -> dog") && !Contains("WBC"));
}

TEST_CASE("classes of one name: without boxes they are dropped, with boxes refused or merged", "[data]") {
  const TrainingFolder trainings;
  const auto write = [&](const std::string& boxes) {
    for (const std::string split : {"train", "val"}) {
      make_image(trainings.data / split / "a.png", 64, 48);
      make_folder(trainings.data / "annotations");
      write_file(trainings.data / "annotations" / ("instances_" + split + ".json"),
                 coco({coco_image(1, "a.png", 64, 48)}, {coco_box(1, 1, 2, "4, 6, 30, 20"), boxes},
                      R"({"id": 0, "name": "cat"}, {"id": 2, "name": "cat "}, {"id": 3, "name": "dog"})"));
    }
  };
  const auto check = [&](const Arguments& more = {}) {
    return run_fovea(
        joined({"data", "check", trainings.data.string(), "--out", trainings.run("check").string()}, more));
  };
  write(coco_box(2, 1, 3, "8, 9, 10, 11"));
  const auto unused = check();
  CHECK(unused.exit_code == 0);
  CHECK_THAT(unused.out,
             Contains("the categories 0, 2 are all called 'cat': they are taken as one, 2") && Contains("2 cat"));
  write(coco_box(2, 1, 0, "8, 9, 10, 11"));
  const auto both = check();
  CHECK(both.exit_code == 3);
  CHECK_THAT(both.err, Contains("the categories 0, 2 are all called 'cat' and 2 of them have boxes: rename them, or") &&
                           Contains("--merge-classes"));
  const auto merged = check({"--merge-classes"});
  CHECK(merged.exit_code == 0);
  CHECK_THAT(merged.out, Contains("boxes                                  2    2") && Contains("2 cat"));
}

TEST_CASE("a folder that is no dataset is described", "[data]") {
  const TrainingFolder trainings;
  for (int i = 0; i < 12; ++i) make_image(trainings.data / "photos" / fmt::format("{}.jpg", i), 4, 4);
  write_file(trainings.data / "notes.json", "[1]");
  const auto checked = run_fovea({"data", "check", trainings.data.string()});
  CHECK(checked.exit_code == 3);
  CHECK_THAT(checked.err,
             Contains("no dataset found; it holds 12 .jpg, 1 .json (notes.json), in the folders photos/") &&
                 Contains("notes.json: a list; COCO's annotations are an object"));
  const auto file = run_fovea({"data", "check", (trainings.data / "notes.json").string()});
  CHECK_THAT(file.err, Contains("notes.json: no dataset found; it is a file: a list; COCO's annotations"));
}
