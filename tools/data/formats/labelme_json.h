// One annotation file of LabelMe's, as it stands there; AnyLabeling and X-AnyLabeling write the same.
#pragma once
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace fovea {

struct LabelMeObject {
  std::string name;
  std::array<double, 4> corners;  // x1, y1, x2, y2 around the shape
  bool difficult = false;
};

struct LabelMeFile {
  std::string image_path;     // as said, with the slashes of the system that it was written on
  int width = 0, height = 0;  // 0: not said
  std::vector<LabelMeObject> objects;
  std::map<std::string, int> left_out;  // shapes without an area, by kind: point, line, …
  int joined = 0;                       // shapes that went into the object of another one of their group
};

// Shapes of one label and group are one object. Throws ErrorKind::Data with file and byte where it is no such file.
LabelMeFile read_labelme_json(const std::filesystem::path& path);

// By its first keys.
bool looks_like_labelme(const std::filesystem::path& path);

}  // namespace fovea
