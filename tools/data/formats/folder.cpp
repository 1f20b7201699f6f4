#include "tools/data/formats/folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <type_traits>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_size.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

// Calls `take(entry)` for what is in the folder and not hidden, until it returns false.
template <class Iterator, class Take>
void walk(const fs::path& folder, HiddenFiles* hidden, Take&& take) {
  std::error_code failure;
  if (!fs::is_directory(folder, failure)) return;
  auto entry = Iterator(folder, fs::directory_options::follow_directory_symlink, failure);
  for (; !failure && entry != Iterator(); entry.increment(failure)) {
    if (is_hidden(entry->path().filename().native())) {
      if constexpr (std::is_same_v<Iterator, fs::recursive_directory_iterator>) entry.disable_recursion_pending();
      if (hidden != nullptr) hidden->add(entry->path());
    } else if (!take(entry)) {
      return;
    }
  }
  if (failure) throw cannot_read(folder, failure.value());
}

template <class Iterator>
std::vector<std::string> collect(const fs::path& folder, HiddenFiles* hidden) {
  std::vector<std::string> names;
  walk<Iterator>(folder, hidden, [&](auto& entry) {
    std::error_code failure;
    if (entry->is_regular_file(failure)) names.push_back(entry->path().lexically_relative(folder).string());
    return true;
  });
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

bool is_hidden(std::string_view name) { return name.starts_with('.') || name == "__MACOSX"; }

void HiddenFiles::add(const fs::path& path) {
  constexpr std::array<std::string_view, 5> everywhere{".DS_Store", ".git", ".gitignore", ".gitattributes", ".gitkeep"};
  const std::string name = path.filename().string();
  const bool usual = std::find(everywhere.begin(), everywhere.end(), name) != everywhere.end();
  if (!usual && !said_.contains(path.string())) paths_.insert(path.string());
}

std::string HiddenFiles::news() {
  if (paths_.empty()) return "";
  std::string line = fmt::format("{} hidden files and folders are passed over; the first: {}", paths_.size(),
                                 printable(*paths_.begin()));
  said_.merge(paths_);
  return line;
}

std::vector<std::string> files_in(const fs::path& folder, HiddenFiles* hidden) {
  return collect<fs::directory_iterator>(folder, hidden);
}

std::vector<std::string> files_below(const fs::path& folder, HiddenFiles* hidden) {
  return collect<fs::recursive_directory_iterator>(folder, hidden);
}

std::vector<std::string> folders_in(const fs::path& folder) {
  std::vector<std::string> names;
  walk<fs::directory_iterator>(folder, nullptr, [&](auto& entry) {
    std::error_code failure;
    if (entry->is_directory(failure)) names.push_back(entry->path().filename().string());
    return true;
  });
  std::sort(names.begin(), names.end());
  return names;
}

bool any_file_below(const fs::path& folder, std::string_view ending, bool deep) {
  bool found = false;
  const auto look = [&](auto& entry) {
    found = has_ending(entry->path().filename().native(), ending);
    return !found;
  };
  if (deep)
    walk<fs::recursive_directory_iterator>(folder, nullptr, look);
  else
    walk<fs::directory_iterator>(folder, nullptr, look);
  return found;
}

bool has_ending(std::string_view name, std::string_view ending) {
  return name.size() > ending.size() &&
         std::equal(ending.begin(), ending.end(), name.end() - static_cast<std::ptrdiff_t>(ending.size()),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

std::string without_ending(const std::string& name) { return fs::path(name).replace_extension().string(); }

void move_to_root(RawDataset& raw, const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    const auto is_in = [&](const auto& image) { return image.file_name.starts_with(folder); };
    if (!std::all_of(raw.images.begin(), raw.images.end(), is_in) ||
        !std::all_of(raw.bad_images.begin(), raw.bad_images.end(), is_in))
      continue;
    for (RawImage& image : raw.images) image.file_name.erase(0, folder.size());
    for (BadImage& image : raw.bad_images) image.file_name.erase(0, folder.size());
    raw.image_root /= folder.substr(0, folder.size() - 1);
    return;
  }
}

std::optional<std::string> path_below(const fs::path& root, const fs::path& path) {
  const auto inside = [](const fs::path& below) { return !below.empty() && *below.begin() != ".."; };
  if (!path.is_absolute()) {
    const fs::path below = path.lexically_normal();
    return inside(below) ? std::optional(below.string()) : std::nullopt;
  }
  const fs::path below = path.lexically_normal().lexically_relative(fs::absolute(root).lexically_normal());
  if (inside(below)) return below.string();
  // The same place by another name, where a link leads to the one or the other.
  std::error_code failure;
  const fs::path true_root = fs::canonical(root, failure);
  const fs::path true_path = failure ? fs::path() : fs::weakly_canonical(path, failure);
  const fs::path truly_below = failure ? fs::path() : true_path.lexically_relative(true_root);
  return inside(truly_below) ? std::optional(truly_below.string()) : std::nullopt;
}

bool Repeats::again(const std::string& name) {
  if (names.insert(name).second) return false;
  if (count++ == 0) first = name;
  return true;
}

bool take_size_from_file(RawDataset& raw, RawImage& image) {
  try {
    const ImageSize size = read_image_size(raw.image_root / image.file_name);
    image.width = size.width;
    image.height = size.height;
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    raw.bad_images.push_back({image.file_name, error.what()});
    return false;
  }
}

}  // namespace fovea
