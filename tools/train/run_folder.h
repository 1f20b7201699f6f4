// The folder of a run: config.toml, log.jsonl, last and best checkpoints, lists of what was wrong with the data,
// charts.
#pragma once
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/safetensors.h"
#include "tools/config/config.h"
#include "tools/text/file_lock.h"

namespace fovea {

// What a run writes there besides its checkpoints.
inline constexpr const char* kRunFiles[] = {"config.toml",    "log.jsonl",     "chart.png",        "chart.svg",
                                            "bad_images.txt", "bad_boxes.txt", "bad_boxes_val.txt"};

// Throws ErrorKind::Usage where the folder holds a run, which is one with a checkpoint, and it is not to be resumed; or
// where it holds none to resume; or where a file of another's has the name of one of the run's.
void require_run(const std::filesystem::path& folder, bool resume);

class RunFolder {
 public:
  // Makes the folder, proves that it can be written to, and locks it: one training at a time writes there. Throws what
  // require_run() throws, and Error(Usage) where it cannot be locked; then nothing is made.
  RunFolder(std::filesystem::path folder, bool resume);
  // Unless keep() was called, what it has made is removed: a start that failed leaves nothing behind.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path file(const char* name) const { return folder_ / name; }
  std::filesystem::path last() const { return file("last.safetensors"); }
  std::filesystem::path previous() const { return file("previous.safetensors"); }
  std::filesystem::path best() const { return file("best.safetensors"); }

  // The newest checkpoint that is whole: `last`, or the one before it; says on stderr when it had to fall back. None:
  // Error(Data).
  SafetensorsFile newest_checkpoint() const;
  // Moves `last` to `previous`, so that a new `last` can be written.
  void keep_previous() const;

  // The training begins: from here on the folder stays. Of the log, the lines of steps after `step` are removed.
  void keep(int64_t step);
  bool kept() const { return kept_; }
  void write_config(const Config& config) const;
  // One JSON object a line, on the disk when this returns. What a resumed run repeats was cut by keep().
  void log(const std::string& json);
  std::vector<std::string> log_lines() const;
  bool holds_validation(int64_t step) const;  // a run that was stopped while it validated has not logged that

 private:
  std::filesystem::path folder_;
  std::vector<std::filesystem::path> made_;  // folders, the outermost first
  std::unique_ptr<FileLock> lock_;
  bool kept_ = false;
  std::ofstream log_;
};

// The number under `key` in a line of the log; none where it is missing or null.
std::optional<double> number_in(const std::string& json, const std::string& key);

}  // namespace fovea
