// Annotation files of the VGG Image Annotator (VIA) as they stand there: JSON of regions or of a project, and CSV.
#pragma once
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace fovea {

struct ViaObject {
  std::string name;               // of the class
  std::array<double, 4> corners;  // x1, y1, x2, y2 around the region
  int line;                       // of a CSV file; 0: JSON
};

struct ViaImage {
  std::string file_name;
  std::vector<ViaObject> objects;
};

struct ViaFile {
  std::vector<ViaImage> images;
  std::map<std::string, int> left_out;  // regions without an area, by kind: point, polyline
  int of_several = 0;                   // regions with more than one class ticked, which are of the first
  std::string first_of_several;         // "a.json: b.jpg: cat, dog"
};

// By its ending. The class is the region's attribute class, label, name, category, type or object, or the only one that
// it has. Throws ErrorKind::Data with file and line or byte where it is no such file, or a region has no class.
ViaFile read_via(const std::filesystem::path& path);

// By its first keys, or its heading.
bool looks_like_via(const std::filesystem::path& path);

}  // namespace fovea
