// One annotation file of Pascal VOC's, as it stands there.
#pragma once
#include <array>
#include <filesystem>
#include <string>
#include <vector>

namespace fovea {

struct VocObject {
  std::string name;
  std::array<double, 4> corners;  // xmin, ymin, xmax, ymax; NaN where it says so
  bool difficult;
  bool other_shape = false;  // the corners are of the box around a polygon or a rotated box
  int line;
};

struct VocFile {
  std::string filename;       // empty: not said
  int width = 0, height = 0;  // 0: not said
  bool odd_text = false;      // names of classes are not UTF-8: taken as Windows-1252
  std::vector<VocObject> objects;
};

// Throws ErrorKind::Data with file and line where it is no XML, no annotation, or an object lacks its name or box.
VocFile read_voc_xml(const std::filesystem::path& path);

}  // namespace fovea
