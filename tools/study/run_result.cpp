#include "tools/study/run_result.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/file.h"
#include "tools/text/text.h"
#include "tools/train/run_folder.h"

namespace fovea {
namespace {

constexpr const char* kLogKeys[kMetricCount] = {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"};

// Empty where there is none.
std::string text_of_file(const std::filesystem::path& path) {
  if (!is_there(path)) return "";
  const auto bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

// The number before ` word` in the line.
std::optional<double> number_before(std::string_view line, std::string_view word) {
  const size_t end = line.find(word);
  if (end == std::string_view::npos) return std::nullopt;
  const size_t begin = line.substr(0, end).rfind(' ');
  return parse_number(line.substr(begin == std::string_view::npos ? 0 : begin, end - begin));
}

struct Log {
  RunResult result;
  bool validated = false;  // after the last step
};

Log read_log(const RunFiles& files, int64_t steps) {
  Log log;
  const std::string text = text_of_file(files.folder / "log.jsonl");
  for (const std::string_view view : lines_of(text)) {
    const std::string line(view);
    const auto step = number_in(line, "step");
    if (!step) continue;
    if (const auto loss = number_in(line, "loss")) log.result.loss.push_back({*step, *loss});
    const auto ap = number_in(line, "ap");
    if (!ap) continue;
    log.result.ap.push_back({*step, *ap});
    for (size_t i = 0; i < kMetricCount; ++i) log.result.metrics[i] = number_in(line, kLogKeys[i]).value_or(-1);
    log.validated = *step == static_cast<double>(steps);
  }
  return log;
}

}  // namespace

RunFiles files_of(const std::filesystem::path& out, const std::string& run) {
  const std::filesystem::path folder = out / "runs" / run;
  const auto beside = [&](const char* ending) { return out / "runs" / (run + ending); };
  return {folder, beside(".toml"), beside(".txt"), beside(".json"), beside(".eval.json")};
}

std::optional<RunEnd> read_end(const RunFiles& files) {
  const std::string text = text_of_file(files.end);
  const auto code = number_in(text, "exit_code"), seconds = number_in(text, "seconds");
  if (!code || !seconds) return std::nullopt;
  simdjson::dom::parser parser;
  std::string_view why;
  if (parser.parse(text)["why"].get_string().get(why)) why = "";
  return RunEnd{static_cast<int>(*code), std::string(why), *seconds};
}

void write_end(const RunFiles& files, const RunEnd& end) {
  write_file_atomically(files.end, fmt::format("{{\"exit_code\": {}, \"seconds\": {:.3f}, \"why\": {}}}\n",
                                               end.exit_code, end.seconds, json_quoted(end.why)));
}

RunResult read_result(const RunFiles& files, int64_t steps) {
  Log log = read_log(files, steps);
  RunResult& result = log.result;
  if (const auto end = read_end(files)) {
    result.seconds = end->seconds;
    result.why = end->why;
    if (end->exit_code == static_cast<int>(ErrorKind::Diverged))
      result.state = RunResult::State::Diverged;
    else if (end->exit_code != 0)
      result.state = RunResult::State::Failed;
  }
  if (log.validated && is_there(files.folder / "last.safetensors")) result.state = RunResult::State::Done;
  if (const auto time = number_in(text_of_file(files.eval), "milliseconds_per_image")) result.milliseconds = *time;
  return std::move(result);
}

RunPace pace_in(const std::string& output) {
  RunPace pace;
  for (const std::string_view line : lines_of(output)) {
    const size_t slash = line.find('/');
    if (!line.starts_with("step ") || slash == std::string_view::npos) continue;
    const auto step = parse_integer(line.substr(5, slash - 5));
    if (!step) continue;
    pace = {*step, number_before(line, " images/s").value_or(0)};
  }
  return pace;
}

std::string end_of_file(const std::filesystem::path& path, int64_t from) {
  constexpr int64_t kEnough = 4096;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const int64_t size = file ? static_cast<int64_t>(file.tellg()) : 0;
  const int64_t begin = std::max(from, size - kEnough);
  if (begin >= size) return "";
  std::string text(static_cast<size_t>(size - begin), '\0');
  file.seekg(begin);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  return text;
}

std::string last_message(const std::string& output) {
  std::string last, message;
  for (const std::string_view line : lines_of(output)) {
    if (trimmed(line).empty()) continue;
    last = line;
    if (line.starts_with("fovea: ")) message = line.substr(7);
  }
  return printable(message.empty() ? last : message);
}

std::string why_it_ended(const ChildEnd& end, const std::string& output) {
  if (end.signal != 0) return fmt::format("signal {} ({})", end.signal, strsignal(end.signal));
  return end.exit_code == 0 ? "" : last_message(output);
}

Spread spread_of(const std::vector<double>& values) {
  Spread spread{.count = values.size()};
  if (values.empty()) return spread;
  const auto n = static_cast<double>(values.size());
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return spread;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  spread.deviation = std::sqrt(squares / (n - 1));
  return spread;
}

std::vector<VariantResult> by_variant(const Study& study, const std::vector<StudyRun>& runs,
                                      const std::vector<RunResult>& results) {
  std::vector<VariantResult> variants(study.variants.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    VariantResult& variant = variants[runs[i].variant];
    variant.runs.push_back(&results[i]);
    variant.diverged += results[i].state == RunResult::State::Diverged;
    variant.failed += results[i].state == RunResult::State::Failed;
    variant.open += results[i].state == RunResult::State::Open;
  }
  for (VariantResult& variant : variants) {
    std::array<std::vector<double>, kMetricCount> metrics;
    std::vector<double> times;
    for (const RunResult* run : variant.runs) {
      if (run->state != RunResult::State::Done) continue;
      for (size_t m = 0; m < kMetricCount; ++m)
        if (run->metrics[m] >= 0) metrics[m].push_back(run->metrics[m]);
      if (run->milliseconds >= 0) times.push_back(run->milliseconds);
    }
    for (size_t m = 0; m < kMetricCount; ++m) variant.metrics[m] = spread_of(metrics[m]);
    variant.milliseconds = spread_of(times);
  }
  return variants;
}

namespace {

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// In the order in which the variants name them.
std::vector<std::string> varied_keys(const Study& study) {
  std::vector<std::string> keys;
  for (const Variant& variant : study.variants)
    for (const std::string& setting : variant.settings)
      if (const std::string key = setting.substr(0, setting.find('='));
          std::find(keys.begin(), keys.end(), key) == keys.end())
        keys.push_back(key);
  return keys;
}

// "key = value" of the run's configuration.
std::map<std::string, std::string> values_of_settings(const Config& config) {
  std::map<std::string, std::string> values;
  std::string section;
  const std::string toml = to_toml(config);
  for (const std::string_view line : lines_of(toml)) {
    const size_t equals = line.find(" = ");
    if (line.starts_with("[") && line.ends_with("]")) section = std::string(line.substr(1, line.size() - 2)) + ".";
    if (equals == std::string_view::npos) continue;
    std::string_view value = line.substr(equals + 3);
    if (value.starts_with("\"")) value = value.substr(1, value.size() - 2);
    values[section + std::string(line.substr(0, equals))] = value;
  }
  return values;
}

const char* word_of_state(RunResult::State state) {
  constexpr const char* words[] = {"open", "done", "diverged", "failed"};
  return words[static_cast<size_t>(state)];
}

}  // namespace

std::string results_csv(const Study& study, const std::vector<StudyRun>& runs, const std::vector<RunResult>& results) {
  const auto keys = varied_keys(study);
  std::string text = "study,variant,seed,state,AP,AP50,AP75,APS,APM,APL,milliseconds_per_image,training_seconds";
  for (const std::string& key : keys) text.append(",").append(csv_cell(key));
  text += "\r\n";
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunResult& result = results[i];
    const bool done = result.state == RunResult::State::Done;
    text += fmt::format("{},{},{},{}", csv_cell(study.name), csv_cell(study.variants[runs[i].variant].name),
                        runs[i].config.seed, word_of_state(result.state));
    for (const double value : result.metrics) text += done && value >= 0 ? fmt::format(",{:.6g}", value) : ",";
    text += result.milliseconds >= 0 ? fmt::format(",{:.6g}", result.milliseconds) : ",";
    text += result.seconds > 0 ? fmt::format(",{:.3f}", result.seconds) : ",";
    const auto values = values_of_settings(runs[i].config);
    for (const std::string& key : keys) {
      const auto found = values.find(key);
      text.append(",").append(found == values.end() ? "" : csv_cell(found->second));
    }
    text += "\r\n";
  }
  return text;
}

}  // namespace fovea
