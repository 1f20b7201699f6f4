// A dataset and trainings on it, in a folder that is gone when the test ends.
#pragma once
#include <map>

#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_data.h"
#include "tools/text/file.h"

namespace fovea::test {

using Arguments = std::vector<std::string>;

inline Arguments joined(Arguments first, const Arguments& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

struct TrainingFolder {
  TemporaryFolder folder;
  fs::path data = folder.path() / "data";

  fs::path run(const std::string& name) const { return folder.path() / name; }
  // Of a training into run(name); `more` goes behind.
  Arguments arguments(const std::string& name, const Arguments& more = {}) const {
    return joined({"train", "--preset", "tiny", "--data", data.string(), "--out", run(name).string()}, more);
  }
};

// All files of a folder, by their paths below it: to see that none has changed, come or gone.
inline std::map<std::string, std::vector<uint8_t>> contents(const fs::path& folder) {
  std::map<std::string, std::vector<uint8_t>> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[entry.path().lexically_relative(folder).string()] = read_file(entry.path());
  return files;
}

}  // namespace fovea::test
