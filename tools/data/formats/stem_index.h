// The files of a folder, by the names of what belongs to them: images by those of annotations, and the reverse.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "tools/data/formats/folder.h"

namespace fovea {

// Finds files by a path without ending; where there is none, by that path, then by the last part of it, in whatever
// letter case and form of é, if only one file is called so.
class StemIndex {
 public:
  // Of all files below the folder for which `takes(name)`.
  StemIndex(const std::filesystem::path& folder, bool (*takes)(const std::filesystem::path& name), PassedOver* passed);

  // The path below the folder.
  std::optional<std::string> find(const std::string& stem) const;

  // What names of one meaning have in common: the last part of the path.
  static std::string key_of(const std::string& stem);

  // By path without ending.
  const std::map<std::string, std::string>& files() const { return by_path_; }

 private:
  std::map<std::string, std::string> by_path_;
  std::map<std::string, std::string> by_folded_path_, by_key_;  // "": two files
};

}  // namespace fovea
