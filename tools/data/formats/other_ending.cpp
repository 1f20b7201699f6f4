#include "tools/data/formats/other_ending.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/printable.h"
#include "tools/data/formats/folder.h"
#include "tools/image/image_file.h"

namespace fovea {

namespace fs = std::filesystem;

const OtherEnding::Names& OtherEnding::listing(const std::string& folder) {
  const auto [found, added] = listings_.try_emplace(folder);
  if (added)
    for (const std::string& name : files_in(root_ / folder))
      if (has_image_ending(name)) found->second[without_ending(name)].push_back(name);
  return found->second;
}

std::optional<std::string> OtherEnding::find(const std::string& said) {
  std::string rest = said;
  std::replace(rest.begin(), rest.end(), '\\', '/');
  while (!rest.empty()) {
    if (const auto below = path_below(root_, rest)) {
      const fs::path path(*below);
      const Names& names = listing(path.parent_path().string());
      const auto same = names.find(path.stem().string());
      if (same != names.end() && same->second.size() == 1) return (path.parent_path() / same->second[0]).string();
    }
    const size_t slash = rest.find('/');
    rest.erase(0, slash == std::string::npos ? rest.size() : slash + 1);
  }
  return std::nullopt;
}

std::string OtherEnding::take(const std::string& said, const std::string& found) {
  if (taken_++ == 0) first_ = fmt::format("{} for {}", printable(found), printable(said));
  return found;
}

std::vector<std::string> OtherEnding::warnings(const std::string& name) const {
  if (taken_ == 0) return {};
  return {fmt::format("{}: {} images have another ending than the annotations say; they are taken; the first: {}", name,
                      taken_, first_)};
}

}  // namespace fovea
