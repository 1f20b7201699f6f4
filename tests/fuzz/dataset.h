// What the fuzzers of dataset formats share.
#pragma once
#include "tests/fuzz/fuzz.h"
#include "tools/data/formats/format.h"
#include "tools/image/image_file.h"

namespace fovea::fuzz {

// A small image there, unless there is one.
inline void make_image(const std::filesystem::path& path) {
  if (is_there(path)) return;
  std::filesystem::create_directories(path.parent_path());
  write_png(path, {4, 3, std::vector<uint8_t>(36)});
}

// Makes datasets of all splits; nullptr: the input is none of the format.
inline void read_all(DatasetReader* reader) {
  if (reader == nullptr) return;
  for (const std::string& split : reader->splits()) make_dataset(reader->read(split), split, {});
}

}  // namespace fovea::fuzz
