// Where YOLO's labels of an image lie: in a folder "labels" for its folder "images", in one beside its folder, or
// beside the image itself.
#pragma once
#include <filesystem>
#include <map>
#include <set>
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
  // A line about labels that were found by find() in another letter case than their image, since it was asked last.
  void warn(std::vector<std::string>& warnings, const std::string& name, const std::string& split);
  // The folders of labels, other than that of the image, that go with the image's folder.
  const std::vector<std::string>& label_folders(const std::string& image_folder);

 private:
  std::vector<std::string> folders_for(const std::string& image_folder) const;
  struct Listing {
    std::unordered_set<std::string> labels;
    std::map<std::string, std::set<std::string>> alike;   // labels, by what names of one meaning have in common
    std::map<std::string, std::set<std::string>> images;  // without their endings, likewise
  };
  const Listing& listing(const std::string& folder);
  std::string label_in(const std::string& folder, const std::string& image);

  std::filesystem::path root_;
  std::map<std::string, std::vector<std::string>> folders_;  // by the images' folder
  std::map<std::string, Listing> listings_;                  // by folder
  std::set<std::string> other_case_;                         // labels that were found so
};

// "" for a file of the root.
std::string folder_of(const std::string& path);

}  // namespace fovea
