// What lies in the folders of a dataset.
#pragma once
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tools/data/formats/raw_dataset.h"

namespace fovea {

// Names that begin with '.' (macOS's ._a.jpg, Jupyter's .ipynb_checkpoints, editors' copies), and folders of systems:
// macOS's __MACOSX, a disk's lost+found, Windows's bin, a NAS's thumbnails.
bool is_hidden(std::string_view name);

// What walks through folders pass over: what is hidden, and links to folders that are walked through anyway.
class PassedOver {
 public:
  void add_hidden(const std::filesystem::path& path);
  void add_link(const std::filesystem::path& path);
  // A line for each kind that was added to since it was asked last; none about what desktops and git leave everywhere.
  std::vector<std::string> news();

 private:
  std::set<std::string> hidden_, links_, said_;
};

// Names of the files in `folder` (not below it), sorted by their bytes; none where there is no such folder. Hidden ones
// are passed over, as by all functions here, and added to `passed`.
std::vector<std::string> files_in(const std::filesystem::path& folder, PassedOver* passed = nullptr);
// Paths below `folder` of all files under it, however deep, sorted. Links to folders are followed, but no folder is
// walked through twice: not by two links, and not by one to a folder that the link itself lies in.
std::vector<std::string> files_below(const std::filesystem::path& folder, PassedOver* passed = nullptr);
// Those of the files `names` in `folder` that are images: by their endings, or by their first bytes where they have
// none; and where there are none, those of any ending but that of texts by their first bytes.
std::vector<std::string> images_among(const std::filesystem::path& folder, const std::vector<std::string>& names);
// Names of the folders in `folder`, sorted, but for links to a folder that they lie in.
std::vector<std::string> folders_in(const std::filesystem::path& folder);

// Whether a file with that ending lies in the folder, or below it.
bool any_file_below(const std::filesystem::path& folder, std::string_view lower_case_ending, bool deep);

bool has_ending(std::string_view name, std::string_view lower_case_ending);
std::string without_ending(const std::string& name);

// Where the names of all images begin with the same one of `folders` ("train/", "images/", …), that goes to the root:
// converted to another format and back, names are what they were.
void move_to_root(RawDataset& raw, const std::vector<std::string>& folders);

// The path as one below `root`, or none where it leads out of it.
std::optional<std::string> path_below(const std::filesystem::path& root, const std::filesystem::path& path);

bool is_inside(const std::filesystem::path& path, const std::filesystem::path& folder);
// Throws ErrorKind::Usage where the dataset is a folder and `out` is it, or inside it.
void require_outside(const std::filesystem::path& out, const std::filesystem::path& data);

// Names that are said more than once.
struct Repeats {
  std::unordered_set<std::string> names;
  size_t count = 0;
  std::string first;  // that came again

  // Whether the name was said before.
  bool again(const std::string& name);
};

// Sets the image's size from the file's header. False, after adding it to the bad images, when that cannot be read.
bool take_size_from_file(RawDataset& raw, RawImage& image);

}  // namespace fovea
