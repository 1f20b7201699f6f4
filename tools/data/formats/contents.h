// What a folder holds that is no dataset, or not the one that was expected.
#pragma once
#include <filesystem>
#include <string>

namespace fovea {

// "it holds 12 .jpg, 1 .json (labels.json) and the folders images/, labels/", and for files that no format reads what
// to do with them; of a file what it seems to be. Fit to print; hidden files do not count.
std::string contents_of(const std::filesystem::path& path);

}  // namespace fovea
