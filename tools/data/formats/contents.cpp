#include "tools/data/formats/contents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct Kind {
  const char* ending;
  const char* hint;
};

constexpr Kind kPacked[] = {{".zip", "unpack it"},
                            {".tar", "unpack it"},
                            {".gz", "unpack it"},
                            {".tgz", "unpack it"},
                            {".7z", "unpack it"},
                            {".rar", "unpack it"},
                            {".tfrecord", "TFRecords are not read: export the set as COCO"},
                            {".parquet", "Parquet is not read: export the set as COCO"},
                            {".arrow", "Arrow is not read: export the set as COCO"}};

// What the text of a JSON or XML file shows of the program that wrote it.
struct Writer {
  const char* mark;
  const char* hint;
};

constexpr Writer kWriters[] = {
    {"\"_via_", "VIA's annotations: expected one such file, or one in the folder of each split"},
    {"\"asset\":", "a project of VoTT: export it as Pascal VOC"},
    {"\"file_upload\"", "Label Studio's own JSON: export as COCO"},
    {"\"rectanglelabels\"", "Label Studio's own JSON: export as COCO"},
    {"\"infoType\"", "a project of another program: export it as COCO"},
    {"\"dataset_type\"", "Datumaro's own JSON: export as COCO"},
    {"<annotations>", "CVAT's own XML: export as COCO or Pascal VOC"},
    {"\"shapes\"", "LabelMe's JSON"},
    {"\"score\"", "detections, not annotations"},
};

constexpr std::array<const char*, 6> kTexts{".json", ".xml", ".csv", ".txt", ".yaml", ".yml"};

std::string hint_about_file(const fs::path& file) {
  const std::string name = lower_case(file.filename().string());
  for (const Kind& kind : kPacked)
    if (name.ends_with(kind.ending)) return kind.hint;
  const auto ends = [&](const char* ending) { return name.ends_with(ending); };
  if (std::none_of(kTexts.begin(), kTexts.end(), ends)) return "";
  std::string text;
  try {
    text = beginning_of(file, size_t{64} << 10);
  } catch (const Error& error) {
    const std::string why = error.what(), head = printable(file.native()) + ": ";
    return why.starts_with(head) ? why.substr(head.size()) : "cannot be read";
  }
  if (!ends(".json") && !ends(".xml")) return "";
  for (const Writer& writer : kWriters)
    if (text.find(writer.mark) != std::string::npos) return writer.hint;
  if (!name.ends_with(".json")) return "";
  if (trimmed(text).empty()) return "is empty";
  return trimmed(text).front() == '['
             ? "a list; COCO's annotations are an object with the lists images, annotations and "
               "categories"
         : text.find("\"images\"") == std::string::npos ? "without COCO's lists images, annotations and categories"
                                                        : "";
}

std::string ending_of(const std::string& name) {
  const std::string ending = lower_case(fs::path(name).extension().string());
  return ending.empty() ? "files without ending" : ending;
}

}  // namespace

std::string contents_of(const fs::path& path) {
  if (!is_folder(path)) {
    const std::string hint = hint_about_file(path);
    return hint.empty() ? "it is a file, and no format's" : fmt::format("it is a file: {}", hint);
  }
  constexpr size_t kKinds = 6, kNames = 3, kFolders = 8;
  std::map<std::string, std::vector<std::string>> by_ending;
  for (std::string& name : files_below(path)) by_ending[ending_of(name)].push_back(std::move(name));
  std::vector<std::string> parts, hints;
  for (const auto& [ending, names] : by_ending) {
    std::string part = fmt::format("{} {}", names.size(), printable(ending));
    if (names.size() <= kNames) part += fmt::format(" ({})", printable(fmt::format("{}", fmt::join(names, ", "))));
    if (parts.size() < kKinds) parts.push_back(part);
    if (const std::string hint = hint_about_file(path / names[0]); !hint.empty() && hints.size() < kKinds)
      hints.push_back(fmt::format("\n  {}: {}", printable(names[0]), hint));
  }
  if (parts.empty()) return "it holds no files";
  if (by_ending.size() > kKinds) parts.emplace_back("others");
  auto folders = folders_in(path);
  folders.resize(std::min(folders.size(), kFolders));
  const std::string inside =
      folders.empty() ? ""
                      : fmt::format(", in the folders {}/", printable(fmt::format("{}", fmt::join(folders, "/, "))));
  return fmt::format("it holds {}{}{}", fmt::join(parts, ", "), inside, fmt::join(hints, ""));
}

}  // namespace fovea
