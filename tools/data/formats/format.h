// The formats of datasets, and what a folder holds.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/data/dataset.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/left_out.h"
#include "tools/data/formats/raw_dataset.h"

namespace fovea {

// A dataset in one of the formats: its splits, read one at a time.
class DatasetReader {
 public:
  DatasetReader() = default;
  virtual ~DatasetReader() = default;
  DatasetReader(const DatasetReader&) = delete;
  DatasetReader& operator=(const DatasetReader&) = delete;

  // "train", "val", … as they are called there; a set that is not split has one, kWholeSet.
  virtual std::vector<std::string> splits() const = 0;
  // `split` is one of splits(). Throws ErrorKind::Data with the file and the line, byte or key.
  RawDataset read(const std::string& split);
  // What all splits read; empty where that cannot be told, or all else is left out on purpose.
  virtual Sources sources() { return {}; }

 protected:
  virtual RawDataset read_split(const std::string& split) = 0;

  PassedOver passed_;  // by the reader's walks
};

inline constexpr const char* kWholeSet = "all";

// What a reader answers whose splits are the keys of a map.
template <class Value>
std::vector<std::string> names_of(const std::map<std::string, Value>& splits) {
  std::vector<std::string> names;
  for (const auto& entry : splits) names.push_back(entry.first);
  return names;
}

struct FormatEntry {
  DatasetFormat format;
  const char* name;        // on the command line
  const char* looked_for;  // what a folder in this format holds
  // nullptr: it does not look like it.
  std::unique_ptr<DatasetReader> (*open)(const std::filesystem::path& path, const LoadOptions& options);
  bool writable = false;  // write_dataset writes it
};
const std::vector<FormatEntry>& formats();
const FormatEntry& entry_of(DatasetFormat format);

struct OpenDataset {
  DatasetFormat format;
  std::unique_ptr<DatasetReader> reader;
  std::vector<std::string> warnings;
};
// Finds the format out, or takes the one given. Throws ErrorKind::Data, saying what was looked for, when nothing fits.
OpenDataset open_dataset(const std::filesystem::path& folder, const LoadOptions& options = {});

// The split that "train" or "val" means among `splits`: of that name; else without regard to case; else of another word
// for it (training, valid, validation, testing); else of the only one that begins with it (train2017). None where there
// is no such one, or where two could be meant.
std::optional<std::string> find_split(const std::vector<std::string>& splits, const std::string& wanted);

// One split of the dataset in `folder`, checked. Throws ErrorKind::Data, besides what reading throws, when there is no
// such split: it says which there are, and how to make one.
Dataset load_dataset(const std::filesystem::path& folder, const std::string& split, const LoadOptions& options = {});
Dataset load_dataset(OpenDataset& data, const std::filesystem::path& folder, const std::string& split,
                     const LoadOptions& options);

}  // namespace fovea
