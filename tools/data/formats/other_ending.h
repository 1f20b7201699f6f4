// Images that annotations name with another ending than their files have: a.jpg for a.png.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

class OtherEnding {
 public:
  explicit OtherEnding(std::filesystem::path root) : root_(std::move(root)) {}

  // The path below the root of the only image of that name but for its ending; by the last parts of the path where
  // folders before them are not here.
  std::optional<std::string> find(const std::string& said);

  // `found`, which is counted.
  std::string take(const std::string& said, const std::string& found);
  // A line where any was taken.
  std::vector<std::string> warnings(const std::string& name) const;

 private:
  using Names = std::map<std::string, std::vector<std::string>>;
  const Names& listing(const std::string& folder);

  std::filesystem::path root_;
  std::map<std::string, Names> listings_;  // of folders: images by their names without ending
  size_t taken_ = 0;
  std::string first_;
};

}  // namespace fovea
