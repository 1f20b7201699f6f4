#include "tools/data/formats/folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_size.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

template <class Iterator>
std::vector<std::string> collect(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code failure;
  if (!fs::is_directory(folder, failure)) return names;
  auto entry = Iterator(folder, fs::directory_options::follow_directory_symlink, failure);
  for (; !failure && entry != Iterator(); entry.increment(failure))
    if (entry->is_regular_file(failure)) names.push_back(entry->path().lexically_relative(folder).string());
  if (failure) throw cannot_read(folder, failure.value());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::vector<std::string> files_in(const fs::path& folder) { return collect<fs::directory_iterator>(folder); }

std::vector<std::string> files_below(const fs::path& folder) {
  return collect<fs::recursive_directory_iterator>(folder);
}

bool any_file_below(const fs::path& folder, std::string_view ending, bool deep) {
  std::error_code failure;
  auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink, failure);
  for (; !failure && entry != fs::recursive_directory_iterator(); entry.increment(failure)) {
    if (has_ending(entry->path().filename().native(), ending)) return true;
    if (!deep) entry.disable_recursion_pending();
  }
  return false;
}

bool has_ending(std::string_view name, std::string_view ending) {
  return name.size() > ending.size() &&
         std::equal(ending.begin(), ending.end(), name.end() - static_cast<std::ptrdiff_t>(ending.size()),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

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
