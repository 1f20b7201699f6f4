// What is wrong with the image files of a split: each is read and decoded once, by all cores.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tools/data/dataset.h"

namespace fovea {

struct ImageFinding {
  std::string content;  // hash of the file's bytes; empty: missing
  enum class ImageProblem { None, Missing, Unreadable, OtherSize } problem = ImageProblem::None;
  std::string why;         // of the fault
  bool as_stored = false;  // annotated as its pixels are stored, not as Exif turns them: used so
  std::string misnamed;    // what the file is, where its name's ending says otherwise; training takes it all the same
};

// One for each of the samples, in their order. `decode`: else only the heads of the files are looked at, and damage
// behind them is not found. `progress(done)` is called after each image, from one thread at a time.
std::vector<ImageFinding> scan_images(const Dataset& dataset, bool decode,
                                      const std::function<void(int64_t)>& progress = {});

}  // namespace fovea
