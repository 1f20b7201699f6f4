// Sets of other formats, which are not read: what they are, and how they become one that is.
#pragma once
#include <filesystem>
#include <string>

namespace fovea {

// "this is …, which is not read: …" of a folder, or a file, in which there is no dataset; empty: none that is known.
std::string foreign_set(const std::filesystem::path& path);

}  // namespace fovea
