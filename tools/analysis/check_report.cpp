#include "tools/analysis/check_report.h"

#include <fmt/format.h>

#include <functional>

#include "engine/files.h"
#include "engine/printable.h"
#include "tools/data/formats/format.h"
#include "tools/report/table.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace {

constexpr size_t kExamples = 5;

std::vector<std::string> reasons(const std::vector<BadImage>& images) {
  std::vector<std::string> lines;
  for (const BadImage& image : images) lines.push_back(image.why);
  return lines;
}

std::string examples(const std::string& heading, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string text = fmt::format("\n{}: {}\n", heading, lines.size());
  for (size_t i = 0; i < std::min(kExamples, lines.size()); ++i) text.append("  ").append(lines[i]).append("\n");
  if (lines.size() > kExamples) text += fmt::format("  … and {} more\n", lines.size() - kExamples);
  return text;
}

struct Row {
  const char* name;
  std::function<int64_t(const SplitCheck&)> value;
};

int64_t count(size_t size) { return static_cast<int64_t>(size); }

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"images", [](auto& s) { return s.images; }},
      {"  without objects", [](auto& s) { return s.images_without_objects; }},
      {"  missing", [](auto& s) { return count(s.missing.size()); }},
      {"  unreadable", [](auto& s) { return count(s.unreadable.size()); }},
      {"  size differs from annotations", [](auto& s) { return count(s.other_size.size()); }},
      {"  extension differs from content", [](auto& s) { return count(s.misnamed.size()); }},
      {"  used as stored, without Exif", [](auto& s) { return s.as_stored; }},
      {"boxes", [](auto& s) { return s.boxes; }},
      {"  crowd or ignore regions", [](auto& s) { return s.crowds; }},
      {"  bad, left out", [](auto& s) { return count(s.bad_boxes.size()); }},
      {"  clipped to the image", [](auto& s) { return s.clipped_boxes; }},
      {"  under 1 pixel after resizing", [](auto& s) { return count(s.tiny_boxes.size()); }},
      {"  duplicates", [](auto& s) { return count(s.duplicate_boxes.size()); }},
      {"  of an unknown image or category", [](auto& s) { return s.unknown_references; }}};
  return all;
}

std::string counts_table(const CheckReport& report) {
  std::vector<std::string> header{""};
  for (const SplitCheck& split : report.splits) header.push_back(printable(split.name));
  Table table(header);
  for (const Row& row : rows()) {
    std::vector<std::string> cells{row.name};
    for (const SplitCheck& split : report.splits)
      cells.push_back(split.refused.empty() ? std::to_string(row.value(split)) : "-");
    table.add(cells);
  }
  return table.text();
}

std::string classes_table(const CheckReport& report) {
  std::vector<std::string> header{"boxes of class"};
  std::map<int64_t, std::string> names;
  for (const SplitCheck& split : report.splits) {
    header.push_back(printable(split.name));
    for (const auto& [id, known] : split.classes) names.emplace(id, known.name);
  }
  Table table(header);
  for (const auto& [id, name] : names) {
    std::vector<std::string> cells{fmt::format("{} {}", id, printable(name))};
    for (const SplitCheck& split : report.splits) {
      const auto found = split.classes.find(id);
      cells.push_back(found == split.classes.end() ? "-" : std::to_string(found->second.boxes));
    }
    table.add(cells);
  }
  return names.empty() ? "" : fmt::format("\n{}", table.text());
}

std::string list(const std::vector<std::string>& lines) {
  std::string json = "[";
  for (const std::string& line : lines)
    json += fmt::format("{}{}", json.size() > 1 ? ", " : "", json_quoted(printable(line)));
  return json + "]";
}

std::string list(const std::vector<BadImage>& images) {
  std::string json = "[";
  for (const BadImage& image : images)
    json += fmt::format("{}{{\"file_name\": {}, \"why\": {}}}", json.size() > 1 ? ", " : "",
                        json_quoted(printable(image.file_name)), json_quoted(image.why));
  return json + "]";
}

std::string json_of(const SplitCheck& split) {
  std::string classes;
  for (const auto& [id, c] : split.classes)
    classes += fmt::format("{}{{\"id\": {}, \"name\": {}, \"boxes\": {}, \"images\": {}}}", classes.empty() ? "" : ", ",
                           id, json_quoted(printable(c.name)), c.boxes, c.images);
  return fmt::format(
      "    {{\"name\": {}, \"refused\": {},\n"
      "     \"images\": {}, \"images_without_objects\": {}, \"images_as_stored\": {}, \"boxes\": {}, \"crowds\": {}, "
      "\"clipped_boxes\": {}, "
      "\"unknown_references\": {},\n"
      "     \"classes\": [{}],\n"
      "     \"missing_images\": {},\n     \"unreadable_images\": {},\n     \"images_of_other_size\": {},\n"
      "     \"misnamed_images\": {},\n     \"bad_boxes\": {},\n     \"tiny_boxes\": {},\n     \"duplicate_boxes\": "
      "{},\n"
      "     \"unknown_examples\": {},\n     \"warnings\": {}}}",
      json_quoted(printable(split.name)), split.refused.empty() ? "null" : json_quoted(printable(split.refused)),
      split.images, split.images_without_objects, split.as_stored, split.boxes, split.crowds, split.clipped_boxes,
      split.unknown_references, classes, list(split.missing), list(split.unreadable), list(split.other_size),
      list(split.misnamed), list(split.bad_boxes), list(split.tiny_boxes), list(split.duplicate_boxes),
      list(split.unknown), list(split.warnings));
}

}  // namespace

bool CheckReport::is_split() const { return splits.size() != 1 || splits[0].name != kWholeSet; }

std::string text_of(const CheckReport& report) {
  std::string text = fmt::format("{}: dataset in {} format\n\n", report.folder, report.format);
  text += counts_table(report) + classes_table(report);
  for (const SplitCheck& split : report.splits) {
    const std::string of = printable(split.name) + ": ";
    if (!split.refused.empty()) text += fmt::format("\n{}cannot be loaded: {}\n", of, split.refused);
    text += examples(of + "warnings", split.warnings);
    text += examples(of + "missing images", reasons(split.missing));
    text += examples(of + "unreadable images", reasons(split.unreadable));
    text += examples(of + "images whose size differs from the annotations", reasons(split.other_size));
    text += examples(of + "images whose extension differs from their content (harmless)", reasons(split.misnamed));
    text += examples(of + "bad boxes, left out", split.bad_boxes);
    text += examples(of + "boxes under 1 pixel after resizing, never matched", split.tiny_boxes);
    text += examples(of + "duplicate boxes", split.duplicate_boxes);
    text += examples(of + "annotations of an unknown image or category, left out", split.unknown);
  }
  text += examples("images with the same content", report.same_content);
  text += examples("classes that differ between splits", report.split_classes);
  return text;
}

std::string json_of(const CheckReport& report) {
  std::string splits;
  for (const SplitCheck& split : report.splits) splits.append(splits.empty() ? "\n" : ",\n").append(json_of(split));
  return fmt::format(
      "{{\"about\": \"{}\", \"folder\": {}, \"format\": {},\n \"refused\": {},\n \"same_content\": {},\n "
      "\"classes_that_differ\": {},\n "
      "\"splits\": [{}]}}\n",
      kMark, json_quoted(report.folder), json_quoted(report.format), list(report.refused), list(report.same_content),
      list(report.split_classes), splits);
}

}  // namespace fovea
