#include "tools/data/formats/folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <utility>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_file.h"
#include "tools/image/image_size.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

using Taker = std::function<bool(const fs::directory_entry&)>;  // false: no more

// Which folder it is, whatever the name; none where there is no such folder.
std::optional<std::pair<dev_t, ino_t>> identity(const fs::path& folder) {
  struct stat status{};
  if (stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return std::nullopt;
  return std::pair(status.st_dev, status.st_ino);
}

class Walk {
 public:
  Walk(const fs::path& folder, PassedOver* passed, const Taker& take) : root_(folder), passed_(passed), take_(take) {
    std::error_code failure;
    for (fs::path above = fs::canonical(folder, failure); !failure; above = above.parent_path()) {
      if (const auto known = identity(above)) known_.insert(*known);
      if (above == above.parent_path()) break;
    }
  }

  // What is in the folder and not hidden.
  void once() {
    std::vector<fs::path> inside;
    look_into(root_, inside, inside);
  }

  // And in the folders in it. Links come last, so that a folder has its own name where it has one below the root.
  void deep() {
    std::vector<fs::path> folders, links;
    bool more = look_into(root_, folders, links);
    while (more && (!folders.empty() || !links.empty())) {
      const bool linked = folders.empty();
      const auto next = linked ? std::min_element(links.begin(), links.end()) : folders.end() - 1;
      fs::path folder = std::move(*next);
      (linked ? links : folders).erase(next);
      if (const auto known = identity(folder); known && known_.insert(*known).second)
        more = look_into(folder, folders, links);
      else if (linked && passed_ != nullptr)
        passed_->add_link(folder);
    }
  }

  // Whether the link leads to a folder that holds it.
  bool leads_up(const fs::directory_entry& entry) const {
    std::error_code failure;
    if (!entry.is_symlink(failure)) return false;
    const auto known = identity(entry.path());
    return known && known_.contains(*known);
  }

 private:
  bool look_into(const fs::path& folder, std::vector<fs::path>& folders, std::vector<fs::path>& links) {
    std::error_code failure, none;
    auto entry = fs::directory_iterator(folder, failure);
    for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
      if (is_hidden(entry->path().filename().native())) {
        if (passed_ != nullptr) passed_->add_hidden(entry->path());
        continue;
      }
      if (!take_(*entry)) return false;
      if (entry->is_directory(none)) (entry->is_symlink(none) ? links : folders).push_back(entry->path());
    }
    if (failure) throw cannot_read(folder, failure.value());
    return true;
  }

  fs::path root_;
  PassedOver* passed_;
  const Taker& take_;
  std::set<std::pair<dev_t, ino_t>> known_;  // folders that were walked through, and those that hold the root
};

void walk(const fs::path& folder, bool deep, PassedOver* passed, const Taker& take) {
  if (!is_folder(folder)) return;
  Walk walk(folder, passed, take);
  deep ? walk.deep() : walk.once();
}

std::vector<std::string> collect(const fs::path& folder, bool deep, PassedOver* passed) {
  std::vector<std::string> names;
  walk(folder, deep, passed, [&](const fs::directory_entry& entry) {
    std::error_code failure;
    // Pipes and links to what is gone, too: they are files that cannot be read, which is said, not none.
    if (!entry.is_directory(failure)) names.push_back(entry.path().lexically_relative(folder).string());
    return true;
  });
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

bool is_hidden(std::string_view name) {
  constexpr std::array<std::string_view, 5> of_systems{"__MACOSX", "lost+found", "$RECYCLE.BIN",
                                                       "System Volume Information", "@eaDir"};
  return name.starts_with('.') || std::find(of_systems.begin(), of_systems.end(), name) != of_systems.end();
}

void PassedOver::add_hidden(const fs::path& path) {
  constexpr std::array<std::string_view, 5> everywhere{".DS_Store", ".git", ".gitignore", ".gitattributes", ".gitkeep"};
  const std::string name = path.filename().string();
  const bool usual = std::find(everywhere.begin(), everywhere.end(), name) != everywhere.end();
  if (!usual && !said_.contains(path.string())) hidden_.insert(path.string());
}

void PassedOver::add_link(const fs::path& path) {
  if (!said_.contains(path.string())) links_.insert(path.string());
}

std::vector<std::string> PassedOver::news() {
  std::vector<std::string> lines;
  const auto say = [&](std::set<std::string>& paths, const char* what) {
    if (!paths.empty())
      lines.push_back(
          fmt::format("{} {} are passed over; the first: {}", paths.size(), what, printable(*paths.begin())));
    said_.merge(paths);
    paths.clear();
  };
  say(hidden_, "hidden files and folders");
  say(links_, "links to folders that are read anyway, or that hold the link,");
  return lines;
}

std::vector<std::string> files_in(const fs::path& folder, PassedOver* passed) { return collect(folder, false, passed); }

std::vector<std::string> files_below(const fs::path& folder, PassedOver* passed) {
  return collect(folder, true, passed);
}

std::vector<std::string> images_among(const fs::path& folder, const std::vector<std::string>& names) {
  constexpr std::array<std::string_view, 9> texts{".txt", ".xml", ".json", ".jsonl", ".csv",
                                                  ".tsv", ".yml", ".yaml", ".md"};
  std::vector<std::string> images, others;
  for (const std::string& name : names) {
    const std::string ending = lower_case(fs::path(name).extension().string());
    if (has_image_ending(name) || (ending.empty() && begins_like_image(folder / name)))
      images.push_back(name);
    else if (!ending.empty() && std::find(texts.begin(), texts.end(), ending) == texts.end())
      others.push_back(name);
  }
  if (!images.empty()) return images;
  std::erase_if(others, [&](const std::string& name) { return !begins_like_image(folder / name); });
  return others;
}

std::vector<std::string> folders_in(const fs::path& folder) {
  std::vector<std::string> names;
  if (!is_folder(folder)) return names;
  std::vector<fs::directory_entry> found;
  const Taker take = [&](const fs::directory_entry& entry) {
    std::error_code failure;
    if (entry.is_directory(failure)) found.push_back(entry);
    return true;
  };
  Walk walk(folder, nullptr, take);
  walk.once();
  for (const fs::directory_entry& entry : found)
    if (!walk.leads_up(entry)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

bool any_file_below(const fs::path& folder, std::string_view ending, bool deep) {
  bool found = false;
  walk(folder, deep, nullptr, [&](const fs::directory_entry& entry) {
    found = has_ending(entry.path().filename().native(), ending);
    return !found;
  });
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

bool is_inside(const fs::path& path, const fs::path& folder) {
  std::error_code failure;  // of a name that no file can have: what opens or makes it says so
  const auto true_path = [&](const fs::path& name) {
    return fs::weakly_canonical(fs::absolute(name, failure), failure);
  };
  return path_below(true_path(folder), true_path(path)).has_value();
}

void require_outside(const fs::path& out, const fs::path& data) {
  if (is_folder(data) && is_inside(out, data))
    throw Error(ErrorKind::Usage,
                fmt::format("{}: lies inside the dataset {}, which is never written to: choose a folder "
                            "outside it",
                            printable(out.native()), printable(data.native())));
}

}  // namespace fovea
