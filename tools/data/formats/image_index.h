// The images of a folder, by the names of what belongs to them.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "tools/data/formats/folder.h"

namespace fovea {

// Finds images by a path without ending; where there is none, by the last part of it, in whatever letter case and form
// of é, if only one image is called so.
class ImageIndex {
 public:
  // Of all images below the folder.
  ImageIndex(const std::filesystem::path& folder, HiddenFiles* hidden);

  // The path below the folder.
  std::optional<std::string> find(const std::string& stem) const;

  // What names of one meaning have in common: the last part of the path.
  static std::string key_of(const std::string& stem);

  // By path without ending.
  const std::map<std::string, std::string>& images() const { return by_path_; }

 private:
  std::map<std::string, std::string> by_path_;
  std::map<std::string, std::string> by_key_;  // "": two images
};

}  // namespace fovea
