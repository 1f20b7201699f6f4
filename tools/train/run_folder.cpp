#include "tools/train/run_folder.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cstdio>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/advice.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

RunFolder::RunFolder(fs::path folder, bool resume) : folder_(std::move(folder)) {
  // A start that failed, for its dataset or weights, leaves an empty log.
  std::error_code none;
  const auto logged = fs::file_size(file("log.jsonl"), none);
  const bool holds_run = is_there(last()) || is_there(previous()) || (!none && logged > 0);
  if (holds_run && !resume)
    throw Error(ErrorKind::Usage, fmt::format("{}: already holds a run; {}, or choose another folder",
                                              printable(folder_.native()), advise(advice::kResume)));
  make_folder(folder_);
  log_.open(file("log.jsonl"), std::ios::app);
  if (!log_) throw Error(ErrorKind::Usage, fmt::format("{}: cannot write to the folder", printable(folder_.native())));
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
  write_file_atomically(file("config.toml"), to_toml(config));
}

void RunFolder::log(const std::string& json) {
  log_ << json << '\n' << std::flush;
  if (!log_) {
    log_.clear();
    fmt::print(stderr, "fovea: {}: cannot write a line (disk full?)\n", printable(file("log.jsonl").native()));
  }
}

void RunFolder::truncate_log(int64_t step) {
  std::string kept;
  for (const std::string& line : log_lines()) {
    const auto of_line = number_in(line, "step");
    if (of_line && *of_line <= static_cast<double>(step)) kept += line + '\n';
  }
  log_.close();
  write_file_atomically(file("log.jsonl"), kept);
  log_.open(file("log.jsonl"), std::ios::app);
}

std::vector<std::string> RunFolder::log_lines() const {
  std::ifstream in(file("log.jsonl"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::optional<double> number_in(const std::string& json, const std::string& key) {
  simdjson::dom::parser parser;
  double value;
  if (parser.parse(json)[key].get_double().get(value)) return std::nullopt;
  return value;
}

}  // namespace fovea
