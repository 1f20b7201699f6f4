#include "tools/detect/image_list.h"

#include <fmt/format.h>

#include <unordered_set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/detect/picture_queue.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// A path that stays below the folder that it is put into.
fs::path below_output(const std::string& name) {
  fs::path below;
  for (const fs::path& part : fs::path(name).lexically_normal().relative_path())
    if (part != "..") below /= part;
  return below;
}

// Whether a folder of detections, found by their list, holds files: of each folder that is asked once.
class FoldersOfDetections {
 public:
  explicit FoldersOfDetections(const fs::path& root) : root_(root) {}

  bool hold(const std::string& name) {
    for (fs::path folder = fs::path(name).parent_path();; folder = folder.parent_path()) {
      const auto [known, fresh] = known_.try_emplace(folder.native());
      if (fresh) known->second = is_there(root_ / folder / "detections.json");
      if (known->second) return true;
      if (folder.empty()) return false;
    }
  }

 private:
  fs::path root_;
  std::unordered_map<std::string, bool> known_;
};

}  // namespace

std::vector<ListedImage> list_images(const std::vector<std::string>& arguments, const fs::path& output_folder) {
  const fs::path output = true_path(output_folder);
  std::vector<ListedImage> images;
  for (const fs::path argument : arguments) {
    if (!is_folder(argument)) {
      images.push_back({argument, argument.filename().string()});
      continue;
    }
    const fs::path folder = true_path(argument);
    const auto own = folder == output ? std::nullopt : path_below(folder, output);
    FoldersOfDetections detections(argument);
    for (const std::string& name : images_among(argument, files_below(argument))) {
      const bool in_output = own && name.starts_with(*own + "/");
      const bool drawn = (in_output || detections.hold(name)) && may_replace(argument / name, {kPictureMark});
      if (drawn) continue;
      if (in_output)
        throw Error(ErrorKind::Usage,
                    fmt::format("{}: lies in the output folder, and is no picture of detections: choose another output "
                                "folder",
                                printable((argument / name).native())));
      images.push_back({argument / name, name});
    }
  }
  if (images.empty()) throw Error(ErrorKind::Data, "no JPEG, PNG, WebP, BMP or TIFF file in the given folders");
  std::unordered_set<std::string> names;
  for (const ListedImage& image : images) names.insert(image.name);
  if (names.size() < images.size())
    for (ListedImage& image : images) image.name = image.file.lexically_normal().string();
  return images;
}

std::vector<fs::path> picture_names(const std::vector<ListedImage>& images, const std::string& ending,
                                    const std::set<std::string>& reserved) {
  std::vector<fs::path> names;
  std::unordered_set<std::string> taken(reserved.begin(), reserved.end());
  for (const ListedImage& image : images)
    for (fs::path folder = below_output(image.name).parent_path(); !folder.empty(); folder = folder.parent_path())
      taken.insert(folder.native());
  for (const ListedImage& image : images) {
    const fs::path stem = below_output(image.name).replace_extension();
    fs::path name = stem;
    name += ending;
    for (int number = 2; !taken.insert(name.native()).second; ++number) {
      name = stem;
      name += fmt::format("_{}{}", number, ending);
    }
    names.push_back(name);
  }
  return names;
}

}  // namespace fovea
