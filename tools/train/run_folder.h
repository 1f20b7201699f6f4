// The folder of a run: config.toml, log.jsonl, last and best checkpoints, lists of what was wrong with the data,
// charts.
#pragma once
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "engine/safetensors.h"
#include "tools/config/config.h"

namespace fovea {

class RunFolder {
 public:
  // Makes the folder and proves that it can be written to; without `resume` it must not hold a run. Error(Usage)
  // otherwise.
  RunFolder(std::filesystem::path folder, bool resume);

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

  void write_config(const Config& config) const;
  // One JSON object a line, on the disk when this returns. What a resumed run repeats was cut by truncate_log.
  void log(const std::string& json);
  // Removes the lines of steps after `step`.
  void truncate_log(int64_t step);
  std::vector<std::string> log_lines() const;

 private:
  std::filesystem::path folder_;
  std::ofstream log_;
};

// The number under `key` in a line of the log; none where it is missing or null.
std::optional<double> number_in(const std::string& json, const std::string& key);

}  // namespace fovea
