#include "tools/data/formats/stem_index.h"

#include "tools/data/formats/file_finder.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

std::string folded(const std::string& name) { return lower_case(taken_apart(name)); }

}  // namespace

std::string StemIndex::key_of(const std::string& stem) { return folded(fs::path(stem).filename().string()); }

StemIndex::StemIndex(const fs::path& folder, bool (*takes)(const fs::path& name), PassedOver* passed) {
  const auto add = [](std::map<std::string, std::string>& index, const std::string& key, const std::string& name) {
    const auto [found, added] = index.emplace(key, name);
    if (!added && without_ending(found->second) != without_ending(name)) found->second.clear();
  };
  for (const std::string& name : files_below(folder, passed)) {
    if (!takes(name)) continue;
    const std::string stem = without_ending(name);
    by_path_.emplace(stem, name);
    add(by_folded_path_, folded(stem), name);
    add(by_key_, key_of(stem), name);
  }
}

std::optional<std::string> StemIndex::find(const std::string& stem) const {
  if (const auto own = by_path_.find(stem); own != by_path_.end()) return own->second;
  for (const auto& [index, key] : {std::pair(&by_folded_path_, folded(stem)), std::pair(&by_key_, key_of(stem))})
    if (const auto alike = index->find(key); alike != index->end() && !alike->second.empty()) return alike->second;
  return std::nullopt;
}

}  // namespace fovea
