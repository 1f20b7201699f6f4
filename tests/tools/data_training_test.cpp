// The same detector from each of the four formats; and what training, evaluation and check do with every fault of a
// dataset: the same.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/support/catch.h"
#include "tests/support/format_files.h"
#include "tests/support/process.h"
#include "tests/support/test_data.h"
#include "tests/support/training_data.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

ProcessResult train(const fs::path& data, const fs::path& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments{"train", "--preset",   "tiny",  "--data",       data.string(),
                                     "--out", out.string(), "--set", "train.steps=1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_fovea(arguments);
}

// A small set in COCO format as text, to be broken.
struct Json {
  std::string images = R"({"id": 1, "file_name": "a.png", "width": 64, "height": 48},
                          {"id": 2, "file_name": "b.png", "width": 64, "height": 48})";
  std::string boxes = R"({"id": 1, "image_id": 1, "category_id": 1, "bbox": [3, 4, 30, 30]})";
  std::string categories = R"({"id": 1, "name": "cat"})";
  std::string text() const {
    return fmt::format(R"({{"images": [{}], "annotations": [{}], "categories": [{}]}})", images, boxes, categories);
  }
};

using Files = std::map<std::string, std::string>;

Files good_set() {
  return {{"annotations/instances_train.json", Json{}.text()},
          {"annotations/instances_val.json", Json{}.text()},
          {"train/a.png", "image 64x48"},
          {"train/b.png", "image 64x48"},
          {"val/a.png", "image 64x48"},
          {"val/b.png", "image 64x48"}};
}

Files with_train(const std::string& json) {
  Files files = good_set();
  files["annotations/instances_train.json"] = json;
  return files;
}

Files with(Json json) { return with_train(json.text()); }

struct Fault {
  std::string name;
  Files files;
  std::string words;  // of the refusal; empty: training goes through
  std::string says;   // of what a training that goes through prints
  std::vector<std::string> options = {};
};

Files voc_set(const std::string& xml) {
  return {{"Annotations/a.xml", xml},
          {"Annotations/b.xml", voc_annotation("b.png", "", voc_object("cat", "3 4 33 34"))},
          {"JPEGImages/a.png", "image 64x48"},
          {"JPEGImages/b.png", "image 64x48"},
          {"ImageSets/Main/train.txt", "a\n"},
          {"ImageSets/Main/val.txt", "b\n"}};
}

Files csv_set(const std::string& line) {
  return {{"train.csv", "a.png,3,4,33,34,cat\n" + line},
          {"val.csv", "b.png,3,4,33,34,cat\n"},
          {"classes.csv", "cat,0\n"},
          {"a.png", "image 64x48"},
          {"b.png", "image 64x48"}};
}

Files yolo_set(const std::string& line) {
  return {{"data.yaml", "train: images/train\nval: images/val\nnames: [cat]\n"},
          {"images/train/a.png", "image 64x48"},
          {"images/val/b.png", "image 64x48"},
          {"labels/train/a.txt", "0 0.5 0.5 0.4 0.4\n" + line},
          {"labels/val/b.txt", "0 0.5 0.5 0.4 0.4\n"}};
}

Files without(Files files, const std::string& name) {
  files.erase(name);
  return files;
}

Files add(Files files, const std::string& name, const std::string& content) {
  files[name] = content;
  return files;
}

const std::string box_1 = R"({"id": 1, "image_id": 1, "category_id": 1, "bbox": [3, 4, 30, 30]})";
std::string second_box(const std::string& bbox) {
  return box_1 + R"(, {"id": 2, "image_id": 1, "category_id": 1, "bbox": )" + bbox + "}";
}

std::vector<Fault> faults() {
  const std::string whole = Json{}.text();
  std::string many = box_1,
              crowd = R"({"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 1, "bbox": [3, 4, 30, 30]})";
  for (int i = 2; i <= 10000; ++i)
    many += fmt::format(R"(, {{"id": {}, "image_id": 1, "category_id": 1, "bbox": [{}, 2, 9, 9]}})", i, i % 50);
  std::string two_hundred = box_1;
  for (int i = 2; i <= 200; ++i)
    two_hundred +=
        fmt::format(R"(, {{"id": {}, "image_id": {}, "category_id": 1, "bbox": [1, 2, 9, 9]}})", i, i == 2 ? 7 : 1);
  return {
      {"no JSON", without(good_set(), "annotations/instances_train.json"), "has no split 'train'", ""},
      {"no split val", without(good_set(), "annotations/instances_val.json"), "fovea data split", ""},
      {"empty JSON", with_train(""), "instances_train.json: is empty (0 bytes)", ""},
      {"truncated JSON", with_train(whole.substr(0, whole.size() / 2)), "byte", ""},
      {"wrong types", with({.images = R"({"id": "one", "file_name": "a.png", "width": 64, "height": 48})"}),
       "annotations[0].image_id: expected a word", ""},
      {"unknown image", with({.boxes = second_box("[1, 2, 3, 4], \"image_id\": 77")}), "unknown image 77", ""},
      {"one unknown of two hundred", with({.boxes = two_hundred}), "", "1 annotations refer to an unknown"},
      {"doubled image id", with({.images = R"({"id": 1, "file_name": "a.png", "width": 64, "height": 48},
                                              {"id": 1, "file_name": "b.png", "width": 64, "height": 48})"}),
       "images[1].id: 1 is already the id of images[0]", ""},
      {"doubled annotation id", with({.boxes = box_1 + ", " + box_1}), "", "all annotations are renumbered"},
      {"category id 0",
       with({.boxes = R"({"id": 1, "image_id": 1, "category_id": 0, "bbox": [3, 4, 30, 30]})",
             .categories = R"({"id": 0, "name": "cat"})"}),
       "", "categories: 1 of the ids are 0 or negative"},
      {"id beyond 2^53", with({.categories = R"({"id": 9007199254740993, "name": "cat"})"}), "an integer below 2^53",
       ""},
      {"classes that differ", with({.categories = R"({"id": 1, "name": "dog"})"}),
       "category 1 is 'dog' in train but 'cat' in val", ""},
      {"box without width", with({.boxes = second_box("[1, 2, 0, 4]")}), "", "1 bad boxes are left out"},
      {"box without width, strict",
       with({.boxes = second_box("[1, 2, 0, 4]")}),
       "has no positive width",
       "",
       {"--bad-boxes", "error"}},
      {"NaN in a box", with({.boxes = second_box("[1, 2, NaN, 4]")}), "", "1 bad boxes are left out"},
      {"three numbers", with({.boxes = second_box("[1, 2, 4]")}), "", "1 bad boxes are left out"},
      {"five numbers", with({.boxes = second_box("[1, 2, 4, 4, 4]")}), "", "1 bad boxes are left out"},
      {"box outside", with({.boxes = second_box("[64, 2, 4, 4]")}), "", "1 bad boxes are left out"},
      {"box partly outside", with({.boxes = second_box("[60, 2, 40, 4]")}), "", "1 boxes extend beyond their image"},
      {"box under a pixel", with({.boxes = second_box("[6, 2, 0.1, 4]")}), "",
       "1 boxes are less than one pixel wide or high"},
      {"a set without boxes", with({.boxes = ""}), "no usable box", ""},
      {"a set of crowds only", with({.boxes = crowd}), "no usable box", ""},
      {"ten thousand boxes", with({.boxes = many}), "", "10000 boxes"},
      {"missing image", without(good_set(), "train/b.png"), "1 of 4 images", ""},
      {"empty image", add(good_set(), "train/b.png", ""), "1 of 4 images", ""},
      {"text for an image", add(good_set(), "train/b.png", "hello"), "1 of 4 images", ""},
      {"image of another size", add(good_set(), "train/b.png", "image 64x49"), "1 of 4 images", ""},
      {"a name that leaves the folder",
       with({.images = R"({"id": 1, "file_name": "../../other.png", "width": 64, "height": 48})"}),
       "is not a path inside the image folder", ""},
      {"a name with a line end",
       add(add(with({.images = R"({"id": 1, "file_name": "a\nb.png", "width": 64, "height": 48})"}), "train/a\nb.png",
               "image 64x48"),
           "train/c.png", "image 64x48"),
       "", "1 images"},
      {"malformed XML", voc_set("<annotation><object></annotation>"), "a.xml:1: not valid XML", ""},
      {"bad number in XML", voc_set(voc_annotation("a.png", "", voc_object("cat", "1 2 x 4"))), "a.xml:7: xmax", ""},
      {"good XML", voc_set(voc_annotation("a.png", "", voc_object("cat", "1 2 30 40"))), "", "1 images"},
      {"malformed CSV line", csv_set("a.png,1,2,3\n"), "train.csv:2: has 4 fields", ""},
      {"good CSV", csv_set("a.png,1,2,13,14,cat\n"), "", "2 boxes"},
      {"malformed YOLO line", yolo_set("0 0.5 0.5\n"), "a.txt:2: has 3 numbers", ""},
      {"good YOLO", yolo_set("0 0.5 0.5 0.3 0.3\n"), "", "2 boxes"},
      {"nothing there", {{"readme.txt", "hello"}}, "no dataset found", ""},
      {"another format asked for", good_set(), "is not a dataset in yolo format", "", {"--format", "yolo"}},
  };
}

}  // namespace

TEST_CASE("fault: training and check agree on every fault of a dataset: exit code, message, files", "[data][fault]") {
  for (const Fault& fault : faults()) {
    CAPTURE(fault.name);
    const TemporaryFolder folder;
    const fs::path data = folder.path() / "data", out = folder.path() / "run";
    write_files(data, fault.files);
    std::vector<std::string> more = fault.options;
    more.insert(more.end(), {"--set", "train.batch=2"});
    const auto trained = train(data, out, more);
    std::vector<std::string> arguments{
        "data", "check", data.string(), "--preset", "tiny", "--out", (folder.path() / "lists").string()};
    arguments.insert(arguments.end(), fault.options.begin(), fault.options.end());
    const auto checked = run_fovea(arguments);
    CAPTURE(trained.out, trained.err, checked.out, checked.err);
    const int expected = fault.words.empty() ? 0 : 3;
    CHECK(trained.exit_code == expected);
    CHECK(checked.exit_code == expected);
    if (expected == 3) {
      CHECK_THAT(trained.err, Contains(fault.words));
      CHECK_THAT(checked.err, Contains(fault.words));
    } else {
      CHECK_THAT(trained.out, Contains(fault.says));
      CHECK_THAT(checked.out, Contains("training accepts this dataset"));
      const bool bad_boxes = trained.out.find("bad boxes") != std::string::npos;
      CHECK(fs::exists(out / "bad_boxes.txt") == bad_boxes);
      CHECK(fs::exists(folder.path() / "lists/bad_boxes.txt") == bad_boxes);
    }
  }
}

TEST_CASE("the same detector trains and evaluates from each of the four formats of one set, with the same AP",
          "[data]") {
  const TemporaryFolder folder;
  const fs::path coco = folder.path() / "coco";
  make_data(coco, 12, 4);
  std::string metrics_of_coco;
  for (const std::string format : {"coco", "voc", "csv", "yolo"}) {
    CAPTURE(format);
    const fs::path data = folder.path() / (format + "_data"), run = folder.path() / (format + "_run");
    REQUIRE(run_fovea({"data", "convert", coco.string(), "--to", format, data.string()}).exit_code == 0);
    const auto trained = train(
        data, run, {"--set", "train.steps=60", "--set", "model.anchors.sizes=[8,16,32,64,128]", "--format", format});
    CAPTURE(trained.out, trained.err);
    REQUIRE(trained.exit_code == 0);
    const fs::path json = folder.path() / (format + ".json");
    const auto evaluated = run_fovea(
        {"eval", "--weights", (run / "last.safetensors").string(), "--data", data.string(), "--json", json.string()});
    CAPTURE(evaluated.out, evaluated.err);
    REQUIRE(evaluated.exit_code == 0);
    check_same_tensors(folder.path() / "coco_run/last.safetensors", run / "last.safetensors");
    // Ids are each format's own; what the metrics say is not.
    std::string metrics = read_text(json);
    metrics = metrics.substr(0, metrics.find("per_class"));
    if (format == "coco") metrics_of_coco = metrics;
    CHECK(metrics == metrics_of_coco);
    CHECK(metrics.find("\"AP\": 0,") == std::string::npos);  // there is something to compare

    if (format != "yolo") continue;
    // A network trained from one format evaluates on another: classes are found by their names.
    const auto across = run_fovea({"eval", "--weights", (run / "last.safetensors").string(), "--data", coco.string()});
    CAPTURE(across.err);
    CHECK(across.exit_code == 0);
    const auto table = [](const std::string& out) { return out.substr(out.find("metric ")); };
    CHECK(table(across.out) == table(evaluated.out));
  }
}

TEST_CASE("fault: images that cannot be read are skipped and listed in the run's folder, whatever the format",
          "[data][fault]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", out = folder.path() / "run";
  Files files{{"classes.csv", "cat,0\n"}};
  for (const auto& [split, images] : {std::pair<std::string, int>{"train", 150}, {"val", 2}})
    for (int i = 0; i < images; ++i) {
      files[fmt::format("{}/{}.png", split, i)] = "image 40x30";
      files[split + ".csv"] += fmt::format("{}/{}.png,3,4,33,24,cat\n", split, i);
    }
  files.erase("train/7.png");
  write_files(data, files);
  const auto trained = train(data, out);
  CAPTURE(trained.out, trained.err);
  CHECK(trained.exit_code == 0);
  CHECK_THAT(trained.out, Contains("1 images cannot be read and are left out"));
  CHECK_THAT(read_text(out / "bad_images.txt"), Contains("7.png\t") && Contains("no such file"));
  CHECK(train(data, folder.path() / "strict", {"--bad-images", "error"}).exit_code == 3);
}
