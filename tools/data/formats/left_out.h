// What lies beside a dataset's splits, looks like a part of it, and would be lost without a word.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

// What the splits of a dataset read.
struct Sources {
  std::vector<std::filesystem::path> folders;  // with all that is below them
  std::vector<std::filesystem::path> files;
  std::vector<std::string> endings;                                       // of annotations, in lower case
  std::function<bool(const std::filesystem::path& file)> is_annotations;  // whether one of these is such a file
  bool one_per_image = false;                                             // an image's annotations have its name
};

// A line on the annotations of the same format below `root` that belong to no split, and on their images. None where
// there are none: images alone, labels alone (copies of those that are read), annotations for other tasks, notes and
// lists are no loss.
std::optional<std::string> left_out(const std::filesystem::path& root, const Sources& sources);

}  // namespace fovea
