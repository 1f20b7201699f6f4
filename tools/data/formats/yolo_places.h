// Where YOLO's labels of an image lie: in a folder "labels" for its folder "images", in one beside its folder, or
// beside the image itself.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

namespace fovea {

class YoloPlaces {
 public:
  explicit YoloPlaces(std::filesystem::path root) : root_(std::move(root)) {}

  // Paths below the root; empty where there is no such file.
  struct Labels {
    std::string apart;   // in a folder of labels
    std::string beside;  // in the image's folder
  };
  Labels find(const std::string& image);
  // Where labels of the image would be.
  std::string expected(const std::string& image);
  // The folders of labels, other than that of the image, that go with the image's folder.
  const std::vector<std::string>& label_folders(const std::string& image_folder);

 private:
  std::vector<std::string> folders_for(const std::string& image_folder) const;
  bool holds(const std::string& folder, const std::string& name);

  std::filesystem::path root_;
  std::map<std::string, std::vector<std::string>> folders_;            // by the images' folder
  std::map<std::string, std::unordered_set<std::string>> text_files_;  // by folder
};

// "" for a file of the root.
std::string folder_of(const std::string& path);

}  // namespace fovea
