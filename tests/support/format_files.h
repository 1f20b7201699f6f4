// Small datasets written by hand, file by file, with images made for them.
#pragma once
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/temporary_folder.h"
#include "tools/data/formats/format.h"
#include "tools/image/image_file.h"

namespace fovea::test {

// Files by path; what is not text is an image, given as "image WIDTHxHEIGHT".
inline void write_files(const std::filesystem::path& folder, const std::map<std::string, std::string>& files) {
  for (const auto& [name, content] : files) {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    int width = 0, height = 0;
    if (std::sscanf(content.c_str(), "image %dx%d", &width, &height) == 2) {
      Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
      for (size_t i = 0; i < image.rgb.size(); ++i)  // no two names have the same pixels
        image.rgb[i] = static_cast<uint8_t>(std::hash<std::string>()(name) >> (i % 7));
      write_png(path, image);
    } else {
      std::ofstream(path, std::ios::binary) << content;
    }
  }
}

inline std::string voc_object(const std::string& name, const std::string& corners, int difficult = 0) {
  std::string boxes;
  size_t at = 0;
  for (const char* key : {"xmin", "ymin", "xmax", "ymax"}) {
    const size_t end = std::min(corners.find(' ', at), corners.size());
    boxes += std::string("<") + key + ">" + corners.substr(at, end - at) + "</" + key + ">";
    at = std::min(end + 1, corners.size());
  }
  return "<object>\n<name>" + name + "</name>\n<difficult>" + std::to_string(difficult) + "</difficult>\n<bndbox>" +
         boxes + "</bndbox>\n</object>\n";
}

inline std::string voc_annotation(const std::string& filename, const std::string& size, const std::string& objects) {
  return "<annotation>\n<filename>" + filename + "</filename>\n" + size + "\n" + objects + "</annotation>\n";
}

}  // namespace fovea::test
