#include "tools/train/run_folder.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cstdio>
#include <ranges>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/advice.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

// Those of the folder and of what it lies in that are not there yet, the outermost first.
std::vector<fs::path> missing_folders(fs::path folder) {
  std::vector<fs::path> missing;
  for (; !folder.empty() && !is_there(folder); folder = folder.parent_path()) missing.insert(missing.begin(), folder);
  return missing;
}

// Those that hold nothing; a folder that somebody else has put something into stays.
void remove_empty(const std::vector<fs::path>& folders) {
  std::error_code not_empty;
  for (const fs::path& folder : std::ranges::reverse_view(folders)) fs::remove(folder, not_empty);
}

// A resumed run may be given its own configuration, with the user's comments.
bool holds_already(const fs::path& file, const Config& config) {
  if (!is_there(file)) return false;
  try {
    Config there;
    apply_file(there, file);
    return differences(there, config).empty();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Usage) throw;
    return false;
  }
}

}  // namespace

void require_run(const fs::path& folder, bool resume) {
  const bool can_resume = is_there(folder / "last.safetensors") || is_there(folder / "previous.safetensors");
  if (!can_resume && is_there(folder / "best.safetensors"))
    throw Error(ErrorKind::Usage,
                fmt::format("{}: holds best.safetensors without a run to resume: choose another folder, "
                            "or move that file",
                            printable(folder.native())));
  if (!resume && can_resume)
    throw Error(ErrorKind::Usage, fmt::format("{}: already holds a run; {}, or choose another folder",
                                              printable(folder.native()), advise(advice::kResume)));
  if (resume && !can_resume)
    throw Error(ErrorKind::Usage, fmt::format("{}: holds no run to resume: there is neither last.safetensors nor "
                                              "previous.safetensors; {}",
                                              printable(folder.native()), advise(advice::kStartNew)));
  for (const char* name : kRunFiles)
    if (!resume) require_replaceable(folder / name, {kMark, kUnedited, "{\"step\":"});
}

RunFolder::RunFolder(fs::path folder, bool resume) : folder_(std::move(folder)) {
  require_run(folder_, resume);
  made_ = missing_folders(folder_);
  try {
    make_folder(folder_);
    lock_ = std::make_unique<FileLock>(file(".lock"), "training");
  } catch (...) {
    remove_empty(made_);
    throw;
  }
}

RunFolder::~RunFolder() {
  lock_.reset();
  if (!kept_) remove_empty(made_);
}

void RunFolder::keep(int64_t step) {
  std::string kept;
  for (const std::string& line : log_lines()) {
    const auto of_line = number_in(line, "step");
    if (step > 0 && of_line && *of_line <= static_cast<double>(step)) kept += line + '\n';
  }
  kept_ = true;
  write_file_atomically(file("log.jsonl"), kept);
  log_.open(file("log.jsonl"), std::ios::app);
  if (!log_)
    throw Error(ErrorKind::Runtime, fmt::format("{}: cannot be written", printable(file("log.jsonl").native())));
}

SafetensorsFile RunFolder::newest_checkpoint() const {
  std::string why;
  for (const fs::path& candidate : {last(), previous()}) {
    try {
      SafetensorsFile file(candidate);
      if (!why.empty())
        fmt::print(stderr, "fovea: {}\nfovea: falling back to {}\n", why, printable(candidate.native()));
      return file;
    } catch (const Error& error) {
      if (!why.empty()) why += "\nfovea: ";
      why += error.what();
    }
  }
  throw Error(ErrorKind::Data,
              fmt::format("{}: has no usable checkpoint to resume from\nfovea: {}", printable(folder_.native()), why));
}

void RunFolder::keep_previous() const {
  if (is_there(last())) fs::rename(last(), previous());
}

void RunFolder::write_config(const Config& config) const {
  if (holds_already(file("config.toml"), config)) return;
  write_file_atomically(file("config.toml"), with_checksum("# The configuration of a run.\n" + to_toml(config)));
}

void RunFolder::log(const std::string& json) {
  log_ << json << '\n' << std::flush;
  if (!log_) {
    log_.clear();
    fmt::print(stderr, "fovea: {}: cannot write a line (disk full?)\n", printable(file("log.jsonl").native()));
  }
}

std::vector<std::string> RunFolder::log_lines() const {
  std::ifstream in(file("log.jsonl"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool RunFolder::holds_validation(int64_t step) const {
  for (const std::string& line : log_lines())
    if (number_in(line, "step") == static_cast<double>(step) && line.find("\"ap\"") != std::string::npos) return true;
  return false;
}

std::optional<double> number_in(const std::string& json, const std::string& key) {
  simdjson::dom::parser parser;
  double value;
  if (parser.parse(json)[key].get_double().get(value)) return std::nullopt;
  return value;
}

}  // namespace fovea
