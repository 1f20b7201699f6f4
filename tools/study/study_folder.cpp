#include "tools/study/study_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/checkpoint/data_identity.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

using Facts = std::map<std::string, std::string>;

constexpr const char* kVariant = "variant ";

Facts all_facts(const Study& study, const Facts& facts) {
  Facts all = facts;
  all["study"] = study.name;
  for (const Variant& variant : study.variants)
    all[kVariant + variant.name] = fmt::format("{}", fmt::join(variant.settings, " "));
  return all;
}

std::string text_of_facts(const Facts& facts) {
  std::string text = fmt::format("# {}: what this folder is a study of, besides config.toml\n", kMark);
  for (const auto& [key, value] : facts) text += fmt::format("{}: {}\n", printable(key), printable(value));
  return text;
}

std::vector<std::string> changed_data(const std::string& before, const std::string& now) {
  const auto then = data_identity_of_json(before), today = data_identity_of_json(now);
  return then && today ? data_changes(*then, *today) : std::vector<std::string>{"other images or boxes"};
}

// Lines "key: a -> b".
std::vector<std::string> changed_facts(const fs::path& file, const Facts& now) {
  const auto bytes = read_file(file);
  const std::string text(bytes.begin(), bytes.end());
  Facts before;
  for (const std::string_view line : lines_of(text)) {
    const size_t colon = line.find(": ");
    if (!line.starts_with("#") && colon != std::string_view::npos)
      before[std::string(line.substr(0, colon))] = line.substr(colon + 2);
  }
  std::vector<std::string> changes;
  const auto value = [](const Facts& facts, const std::string& key) {
    const auto found = facts.find(key);
    return found == facts.end() ? std::string("none") : found->second;
  };
  Facts keys = before;
  for (const auto& [key, of_now] : now) keys[printable(key)] = printable(of_now);
  for (const auto& [key, of_now] : keys) {
    const bool gone = now.find(key) == now.end(), added = before.find(key) == before.end();
    const std::string after = gone ? "none" : of_now;
    if (added && key.starts_with(kVariant)) continue;  // more of them are no other study
    if (value(before, key) == after) continue;
    if (key == "data")
      for (const std::string& line : changed_data(value(before, key), after)) changes.push_back(line);
    else
      changes.push_back(fmt::format("{}: {} -> {}", key, value(before, key), after));
  }
  return changes;
}

std::vector<std::string> changed_config(const fs::path& file, const Config& now) {
  Config before;
  apply_file(before, file);
  return differences(before, now);
}

}  // namespace

StudyFolder::StudyFolder(fs::path folder, const Study& study, const Config& base, const Facts& facts)
    : folder_(std::move(folder)), resumed_(is_there(folder_ / kStudyFile)) {
  const std::string name = printable(folder_.native());
  const Facts now = all_facts(study, facts);
  if (resumed_) {
    auto changes = changed_facts(file(kStudyFile), now);
    for (const std::string& line : changed_config(file(kStudyConfig), base)) changes.push_back(line);
    if (!changes.empty())
      throw Error(ErrorKind::Usage,
                  fmt::format("{}: holds another study ({}{}): choose another folder, or do as that one did", name,
                              changes[0], changes.size() > 1 ? fmt::format("; {} more", changes.size() - 1) : ""));
  } else {
    for (const char* run : {"last.safetensors", "log.jsonl", kStudyRuns})
      if (is_there(folder_ / run))
        throw Error(ErrorKind::Usage, fmt::format("{}: holds {}, and no study: choose another folder", name, run));
    require_replaceable(file(kStudyConfig), {kUnedited});
  }
  require_replaceable(file(kStudyPage));
  require_replaceable(file(kStudyCsv), {"study,variant,seed,"});
  make_writable_folder(folder_);
  lock_ = std::make_unique<FileLock>(file(".lock"), "study");
  if (!resumed_)
    write_file_atomically(file(kStudyConfig),
                          with_checksum("# What all trainings of a study share.\n" + to_toml(base)));
  write_file_atomically(file(kStudyFile), text_of_facts(now));  // last: with it the study is there
  make_folder(file(kStudyRuns));
}

}  // namespace fovea
