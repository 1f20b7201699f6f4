// The images that a user names, and names for what is made of them.
#pragma once
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace fovea {

struct ListedImage {
  std::filesystem::path file;
  std::string name;  // below the folder that was given; of a file that was given, its own
};

// Files as they are; of folders the image files in and below them, sorted. Hidden ones
// (is_hidden() of their name, or of a folder's on the way) and pictures of earlier detections, in the folder
// `output_folder` or beside a detections.json, are passed over. Where two would have one name, all have the paths as
// given. Throws ErrorKind::Data where a folder cannot be read, or there is no image; ErrorKind::Usage where another
// image lies in `output_folder`.
std::vector<ListedImage> list_images(const std::vector<std::string>& arguments,
                                     const std::filesystem::path& output_folder);

// For each image the name of its picture: its own, with `ending`; numbered where that is taken by another one, by a
// folder, or `reserved`. "a/photo.png" to "a/photo.jpg", then "a/photo_2.jpg".
std::vector<std::filesystem::path> picture_names(const std::vector<ListedImage>& images, const std::string& ending,
                                                 const std::set<std::string>& reserved);

}  // namespace fovea
