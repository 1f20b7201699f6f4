// The folder of a study, and what it is a study of: one that is resumed goes on with the same.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "tools/study/study.h"
#include "tools/text/file_lock.h"

namespace fovea {

inline constexpr const char *kStudyPage = "index.html", *kStudyCsv = "results.csv", *kStudyFile = "study.txt",
                            *kStudyConfig = "config.toml", *kStudyRuns = "runs";

class StudyFolder {
 public:
  // Makes the folder and locks it: one study at a time goes on there. `facts` are what must be the same besides the
  // variants and the configuration: the data, the weights to start from. More or fewer seeds, and more variants, are no
  // other study.
  // Throws Error(Usage), and changes nothing, where it holds another study, a run, or files of the user's with these
  // names, and where it cannot be locked.
  StudyFolder(std::filesystem::path folder, const Study& study, const Config& base,
              const std::map<std::string, std::string>& facts);

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path file(const char* name) const { return folder_ / name; }
  bool resumed() const { return resumed_; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<FileLock> lock_;
  bool resumed_ = false;
};

}  // namespace fovea
