// A dataset on its way into files: the images of all splits with their boxes, under one list of categories.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tools/data/bad_files.h"
#include "tools/data/dataset.h"

namespace fovea {

struct WritableImage {
  std::filesystem::path source;  // the file
  bool as_stored = false;        // its annotations are of the pixels as stored, not as Exif turns them
  Sample sample;                 // labels index WritableSet::categories; file_name is below the split's folder
};

struct WritableSplit {
  std::string name;
  std::vector<WritableImage> images;
};

struct WritableSet {
  std::vector<Category> categories;  // sorted by id
  std::vector<WritableSplit> splits;
};

// Images that are missing, or of another size than is said, are left out and go to `bad_files`. Throws ErrorKind::Data
// where an id stands for one category in one split and for another one in another, and what BadFiles throws.
// `progress(done)` is called after each image.
WritableSet gather(std::vector<Dataset> splits, BadFiles& bad_files, const std::function<void(int64_t)>& progress = {});

struct WriteOptions {
  bool copy = false;               // images are copied; else hard-linked where the disk allows
  bool clip = false;               // boxes are cut to the image; else they stay as annotated
  std::function<void()> progress;  // called after each image; what it throws ends the writing
};

bool is_empty_folder(const std::filesystem::path& folder);

// Writes the set into `out`, a folder that is made and must be empty. Returns lines about what the format cannot hold
// (crowd regions, areas of masks) and what was changed (names that would clash). Throws ErrorKind::Usage when `out` is
// not empty, ErrorKind::Data where names cannot be written in the format.
std::vector<std::string> write_dataset(const WritableSet& set, DatasetFormat format, const std::filesystem::path& out,
                                       const WriteOptions& options);

}  // namespace fovea
