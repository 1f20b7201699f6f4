// The rows on annotation files and their ids of the table of faults, for what the formats have of their own.
#include "tests/support/catch.h"
#include "tests/support/faulty_set.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

const MadeImages kTrain{{"a.png", {{}}}, {"b.png", {{}}}}, kVal{{"v.png", {{}}}};

// The good set, but for one file that holds this.
Files with(DatasetFormat format, const std::string& file, const std::string& text) {
  Files files = made_files(format, kTrain, kVal);
  files[file] = text;
  return files;
}

Files without(DatasetFormat format, const std::string& file) {
  Files files = made_files(format, kTrain, kVal);
  REQUIRE(files.erase(file) == 1);
  return files;
}

std::string coco_with(const std::string& from, const std::string& to) {
  std::string text = made_set::coco_text(kTrain);
  REQUIRE(text.find(from) != std::string::npos);
  return text.replace(text.find(from), from.size(), to);
}

const std::string kJson = "annotations/instances_train.json", kYaml = "train: images/train\nval: images/val\n";

struct Case {
  std::string name;
  Files files;
  std::string words;
};

std::vector<Case> unusable_files() {
  const std::string json = made_set::coco_text(kTrain);
  return {
      {"no JSON", without(DatasetFormat::Coco, kJson), "has no split 'train'"},
      {"empty JSON", with(DatasetFormat::Coco, kJson, ""), "instances_train.json: is empty (0 bytes)"},
      {"half a JSON", with(DatasetFormat::Coco, kJson, json.substr(0, json.size() / 2)), "the file may be truncated"},
      {"JSON of a list", with(DatasetFormat::Coco, kJson, "[1, 2]"),
       "instances_train.json: byte 0: expected an object"},
      {"no images in the JSON", with(DatasetFormat::Coco, kJson, R"({"annotations": [], "categories": []})"),
       "no \"images\""},
      {"images no list", with(DatasetFormat::Coco, kJson, R"({"images": {}})"), "images: byte 11: expected a list"},
      {"bytes that are no text", with(DatasetFormat::Coco, kJson, coco_with("a.png", "\xff.png")), "is not UTF-8"},
      {"a size in words", with(DatasetFormat::Coco, kJson, coco_with("64", "\"big\"")),
       "images[0].width: expected an integer"},
      {"a size of nothing", with(DatasetFormat::Coco, kJson, coco_with("64", "0")),
       "images[0].width: expected a positive size"},
      {"an id of an image in words", with(DatasetFormat::Coco, kJson, coco_with("\"id\": 1", "\"id\": \"one\"")),
       "images[1].id: expected a word, as the ids before it are, found 2"},
      {"an id of an image beyond 2^53",
       with(DatasetFormat::Coco, kJson, coco_with("\"id\": 1", "\"id\": 9007199254740993")),
       "images[0].id: expected an integer below 2^53"},
      {"an unknown image", with(DatasetFormat::Coco, kJson, coco_with("\"image_id\": 1", "\"image_id\": 5")),
       "annotations[0] (id 1): unknown image 5"},
      {"an image's id twice", with(DatasetFormat::Coco, kJson, coco_with("{\"id\": 2", "{\"id\": 1")),
       "images[1].id: 1 is already the id of images[0]"},

      {"empty XML", with(DatasetFormat::Voc, "Annotations/a.xml", ""), "a.xml: is empty (0 bytes): expected XML"},
      {"half an XML", with(DatasetFormat::Voc, "Annotations/a.xml", "<annotation>\n<object>\n<na"),
       "a.xml:3: not valid XML"},
      {"a corner in words",
       with(DatasetFormat::Voc, "Annotations/a.xml", voc_annotation("a.png", "", voc_object("cat", "1 2 x 4"))),
       "a.xml:7: xmax: expected a number, found \"x\""},
      {"no XML", without(DatasetFormat::Voc, "Annotations/a.xml"), "train.txt:1: the annotation "},
      {"no list of the split", without(DatasetFormat::Voc, "ImageSets/Main/train.txt"), "has no split 'train'"},
      {"a class twice in VOC's format", with(DatasetFormat::Voc, "classes.txt", "cat\ncat\n"),
       "classes.txt: the class 'cat' is listed twice"},

      {"no CSV", without(DatasetFormat::Csv, "train.csv"), "has no split 'train'"},
      {"empty CSV", with(DatasetFormat::Csv, "train.csv", ""), "has no split 'train'"},
      {"CSV of a heading", with(DatasetFormat::Csv, "train.csv", "path,x1,y1,x2,y2,class\n"),
       "images: the list is empty"},
      {"half a CSV line", with(DatasetFormat::Csv, "train.csv", "train/a.png,3,4,33,34,cat\ntrain/b.png,3,4"),
       "train.csv:2: has 3 fields, expected 6"},
      {"a corner in words in CSV", with(DatasetFormat::Csv, "train.csv", "train/a.png,3,x,33,34,cat\n"),
       "train.csv:1: y1: expected a number, found \"x\""},
      {"a class twice in CSV", with(DatasetFormat::Csv, "classes.csv", "cat,0\ncat,1\n"),
       "classes.csv:2: the class 'cat' is listed twice"},
      {"a class id twice", with(DatasetFormat::Csv, "classes.csv", "cat,0\ndog,0\n"),
       "categories[1].id: 0 is already the id"},
      {"a class id in words", with(DatasetFormat::Csv, "classes.csv", "cat,zero\n"), "classes.csv:1: expected name,id"},
      {"a class id beyond 2^53", with(DatasetFormat::Csv, "classes.csv", "cat,9007199254740993\n"),
       "classes.csv:1: expected name,id with a whole number below 2^53"},

      {"YAML without names", with(DatasetFormat::Yolo, "data.yaml", kYaml), "data.yaml:1: has no names"},
      {"half a YAML", with(DatasetFormat::Yolo, "data.yaml", kYaml + "names: [cat"), "data.yaml:"},
      {"a class twice in YAML", with(DatasetFormat::Yolo, "data.yaml", kYaml + "names: [cat, cat]\n"),
       "data.yaml:3: names: 'cat' is listed twice"},
      {"a class number beyond 2^53", with(DatasetFormat::Yolo, "data.yaml", kYaml + "names: {9007199254740993: cat}\n"),
       "data.yaml:3: names: expected a class number"},
      {"a negative class number", with(DatasetFormat::Yolo, "data.yaml", kYaml + "names: {-1: cat}\n"),
       "data.yaml:3: names: expected a class number"},
      {"half a line of labels", with(DatasetFormat::Yolo, "labels/train/a.txt", "0 0.5 0.5 0.4 0.4\n0 0.5"),
       "a.txt:2: has 2 numbers, expected 5"},
      {"a label in words", with(DatasetFormat::Yolo, "labels/train/a.txt", "cat 0.5 0.5 0.4 0.4\n"),
       "a.txt:1: expected a class number, found \"cat\""},
      {"no images", with(DatasetFormat::Yolo, "data.yaml", "train: labels\nval: images/val\nnames: [cat]\n"),
       "there are no images in labels"},
  };
}

}  // namespace

TEST_CASE("fault: unusable annotation files of each format are refused with file and byte, key or line",
          "[annotations][fault]") {
  for (const Case& one : unusable_files()) {
    CAPTURE(one.name);
    const bool lists_unknown = one.words.find("unknown") != std::string::npos;
    FaultySet(one.files).check_refused({one.words}, {}, lists_unknown ? 2 : 1);
  }
}

TEST_CASE("fault: odd ids of annotations and classes are renumbered or kept, and it is said", "[annotations][fault]") {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"id\": 1, \"image_id\"", "\"id\": 2, \"image_id\""},
           {"\"id\": 1, \"image_id\"", "\"id\": 0, \"image_id\""},
           {"\"id\": 1, \"image_id\"", "\"id\": -5, \"image_id\""},
           {"\"id\": 1, \"image_id\"", "\"id\": \"one\", \"image_id\""},
           {"\"id\": 1, \"image_id\"", "\"id\": 9007199254740993, \"image_id\""},
           {"\"id\": 1, \"image_id\"", "\"image_id\""}}) {
    CAPTURE(to);
    FaultySet(with(DatasetFormat::Coco, kJson, coco_with(from, to)))
        .check_taken({"all annotations are renumbered 1…2"});
  }
  Files negative = with(DatasetFormat::Coco, kJson, "");
  for (const char* split : {"train", "val"}) {
    std::string text = made_set::coco_text(split == std::string("train") ? kTrain : kVal);
    for (const char* key : {"\"category_id\": ", "\"categories\": [{\"id\": "})
      for (size_t at = text.find(key); at != text.npos; at = text.find(key, at + 1))
        text.insert(at + std::string(key).size(), "-");
    negative[std::string("annotations/instances_") + split + ".json"] = text;
  }
  FaultySet(negative).check_taken(
      {"categories: 1 of the ids are 0 or negative; they are kept, but some programs cannot handle them"});
  FaultySet(with(DatasetFormat::Csv, "classes.csv", "cat,-1\n"))
      .check_taken({"categories: 1 of the ids are negative; they are kept, but some programs cannot handle them"});
}
