#include "tools/data/formats/image_index.h"

#include "tools/data/formats/file_finder.h"
#include "tools/image/image_file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

std::string ImageIndex::key_of(const std::string& stem) {
  return lower_case(taken_apart(fs::path(stem).filename().string()));
}

ImageIndex::ImageIndex(const fs::path& folder, HiddenFiles* hidden) {
  for (const std::string& name : files_below(folder, hidden)) {
    if (!has_image_ending(name)) continue;
    const std::string stem = without_ending(name);
    by_path_.emplace(stem, name);
    const auto [found, added] = by_key_.emplace(key_of(stem), name);
    if (!added && without_ending(found->second) != stem) found->second.clear();
  }
}

std::optional<std::string> ImageIndex::find(const std::string& stem) const {
  if (const auto own = by_path_.find(stem); own != by_path_.end()) return own->second;
  const auto alike = by_key_.find(key_of(stem));
  return alike == by_key_.end() || alike->second.empty() ? std::nullopt : std::optional(alike->second);
}

}  // namespace fovea
