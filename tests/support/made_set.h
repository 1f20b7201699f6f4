// One small dataset written in any of the four formats, to be broken in each alike.
#pragma once
#include <cmath>

#include "tests/support/data_command.h"
#include "tests/support/format_files.h"

namespace fovea::test {

using Files = std::map<std::string, std::string>;

struct MadeBox {
  std::array<double, 4> corners{3, 4, 33, 34};
  std::string label = "cat";  // the only class that the set knows
  bool ignored = false;       // a crowd; in VOC's format a difficult object
};

struct MadeImage {
  std::string name;
  std::vector<MadeBox> boxes;
  std::string content = "image 64x48";
  int width = 64, height = 48;
};
using MadeImages = std::vector<MadeImage>;

namespace made_set {

inline std::string stem(const std::string& name) { return name.substr(0, name.rfind('.')); }

// What JSON has instead of a quote, a backslash and control characters.
inline std::string json_text(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      out += c;
  return out;
}

inline std::string number(double value) { return std::isnan(value) ? "NaN" : fmt::format("{}", value); }

inline std::string coco_text(const MadeImages& set) {
  std::vector<std::string> images, boxes;
  for (const MadeImage& image : set) {
    const int id = static_cast<int>(images.size()) + 1;
    images.push_back(coco_image(id, json_text(image.name), image.width, image.height));
    for (const auto& [corners, label, ignored] : image.boxes) {
      const auto [x1, y1, x2, y2] = corners;
      boxes.push_back(coco_box(static_cast<int>(boxes.size()) + 1, id, label == "cat" ? 1 : 7,
                               fmt::format("{}, {}, {}, {}", number(x1), number(y1), number(x2 - x1), number(y2 - y1)),
                               fmt::format(R"(, "iscrowd": {})", ignored ? 1 : 0)));
    }
  }
  return coco(images, boxes, R"({"id": 1, "name": "cat"})");
}

inline void add_voc(Files& files, const std::string& split, const MadeImages& set) {
  for (const MadeImage& image : set) {
    std::string objects;
    for (const auto& [c, label, ignored] : image.boxes)
      objects += voc_object(label, fmt::format("{} {} {} {}", c[0], c[1], c[2], c[3]), ignored ? 1 : 0);
    const std::string size =
        fmt::format("<size><width>{}</width><height>{}</height></size>", image.width, image.height);
    files["Annotations/" + stem(image.name) + ".xml"] = voc_annotation(image.name, size, objects);
    files["JPEGImages/" + image.name] = image.content;
    files["ImageSets/Main/" + split + ".txt"] += stem(image.name) + "\n";
  }
}

inline std::string csv_text(const std::string& split, const MadeImages& set) {
  std::string text;
  for (const MadeImage& image : set) {
    const std::string path = fmt::format("\"{}/{}\"", split, image.name);
    for (const auto& [c, label, ignored] : image.boxes)
      text += fmt::format("{},{},{},{},{},{}\n", path, c[0], c[1], c[2], c[3], label);
    if (image.boxes.empty()) text += path + ",,,,,\n";
  }
  return text;
}

inline std::string yolo_text(const MadeImage& image) {
  std::string text;
  for (const auto& [c, label, ignored] : image.boxes)
    text += fmt::format("{} {} {} {} {}\n", label == "cat" ? 0 : 7, (c[0] + c[2]) / 2 / image.width,
                        (c[1] + c[3]) / 2 / image.height, (c[2] - c[0]) / image.width, (c[3] - c[1]) / image.height);
  return text;
}

}  // namespace made_set

// The images of a split lie in the first folder, and what annotates the first of them is the second.
struct MadePlaces {
  std::string images, first_annotation;
};
inline MadePlaces places(DatasetFormat format, const std::string& split, const MadeImages& set) {
  const std::string stem = made_set::stem(set.at(0).name);
  if (format == DatasetFormat::Coco) return {split + "/", "annotations/instances_" + split + ".json"};
  if (format == DatasetFormat::Voc) return {"JPEGImages/", "Annotations/" + stem + ".xml"};
  if (format == DatasetFormat::Csv) return {split + "/", split + ".csv"};
  return {"images/" + split + "/", "labels/" + split + "/" + stem + ".txt"};
}

// No two images of a set have the same name, as VOC's format asks for.
inline Files made_files(DatasetFormat format, const MadeImages& train, const MadeImages& val) {
  Files files;
  if (format == DatasetFormat::Csv) files["classes.csv"] = "cat,0\n";
  if (format == DatasetFormat::Voc) files["classes.txt"] = "cat\n";
  if (format == DatasetFormat::Yolo) files["data.yaml"] = "train: images/train\nval: images/val\nnames: [cat]\n";
  for (const auto& [split, set] : {std::pair<std::string, const MadeImages&>{"train", train}, {"val", val}}) {
    if (format == DatasetFormat::Coco) files["annotations/instances_" + split + ".json"] = made_set::coco_text(set);
    if (format == DatasetFormat::Voc) made_set::add_voc(files, split, set);
    if (format == DatasetFormat::Csv) files[split + ".csv"] = made_set::csv_text(split, set);
    for (const MadeImage& image : set) {
      if (format == DatasetFormat::Yolo)
        files["labels/" + split + "/" + made_set::stem(image.name) + ".txt"] = made_set::yolo_text(image);
      if (format != DatasetFormat::Voc) files[places(format, split, set).images + image.name] = image.content;
    }
  }
  return files;
}

}  // namespace fovea::test
