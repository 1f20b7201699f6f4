#include "tools/data/formats/yolo_names.h"

#include <fmt/format.h>

#include <array>
#include <set>
#include <span>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/json_pieces.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

constexpr const char* kNotes = "notes.json";  // Label Studio's
// What LabelImg starts from; the list of the labels, where it is there, is classes.txt.
constexpr const char* kPredefined = "predefined_classes.txt";

std::vector<Category> names_of_notes(const fs::path& file) {
  std::vector<Category> names;
  JsonPieces pieces(file);
  pieces.for_each_entry([](std::string_view key) { return key == "categories"; },
                        [&](JsonInput& input, const std::string&, JsonInput::Value value) {
                          std::optional<int64_t> id;
                          std::optional<std::string> name;
                          input.for_each_field(value.get_object(), [&](std::string_view key, JsonInput::Value field) {
                            if (key == "id") id = input.id(field);
                            if (key == "name") name = std::string(trimmed(input.text(field)));
                          });
                          input.need(id.has_value(), "id");
                          input.need(name.has_value() && !name->empty(), "name");
                          names.push_back({*id, *name});
                        });
  return names;
}

std::vector<Category> names_of_lines(const fs::path& file, bool doubled, std::vector<std::string>& warnings) {
  const TextFile read = read_text_file(file);
  if (!read.warning.empty()) warnings.push_back(read.warning);
  auto lines = lines_of(read.text);
  while (!lines.empty() && trimmed(lines.back()).empty()) lines.pop_back();
  std::vector<Category> names;
  std::set<std::string> seen;
  for (const auto line : lines) {
    const std::string name(trimmed(line));
    const auto fail = [&](const std::string& why) {
      return Error(ErrorKind::Data, fmt::format("{}:{}: {}", printable(file.native()), names.size() + 1, why));
    };
    if (name.empty()) throw fail("is empty: expected a class name");
    if (!seen.insert(name).second && !doubled)
      throw fail(fmt::format("the class '{}' is listed twice", printable(name)));
    names.push_back({static_cast<int64_t>(names.size()), name});
  }
  return names;
}

// The most usual first.
constexpr std::array<const char*, 9> kUsual{"classes.txt",     "obj.names",   "classes.names",
                                            "_darknet.labels", "labels.txt",  "data.names",
                                            "class_names.txt", "Classes.txt", kNotes};

}  // namespace

bool is_yolo_names_file(const std::string& file_name) {
  const std::string name = lower_case(file_name);
  return name == "classes.txt" || name == "labels.txt" || name == "class_names.txt" || name == "classes.names" ||
         name == kNotes || name == kPredefined || name == "_darknet.labels" || has_ending(name, ".names");
}

std::vector<fs::path> find_yolo_names(const fs::path& root) {
  std::vector<fs::path> found;
  const auto look_in = [&](const fs::path& folder, std::span<const char* const> names) {
    for (const char* name : names)  // by names: folders of images are large
      if (is_file(folder / name)) {
        found.push_back(folder / name);
        return;
      }
  };
  const auto look_below = [&](std::span<const char* const> names) {
    for (const std::string& folder : folders_in(root)) {
      look_in(root / folder, names);
      for (const char* inside : {"labels", "Labels", "images", "Images", "train", "val", "valid", "test"})
        look_in(root / folder / inside, names);
    }
  };
  look_in(root, kUsual);
  if (found.empty())
    for (const std::string& name : files_in(root))
      if (found.empty() && has_ending(name, ".names")) found.push_back(root / name);
  look_below(kUsual);
  if (!found.empty()) return found;
  look_in(root, {&kPredefined, 1});
  look_below({&kPredefined, 1});
  return found;
}

std::vector<Category> read_yolo_names(const fs::path& file, bool doubled, std::vector<std::string>& warnings) {
  const bool notes = lower_case(file.filename().string()) == kNotes;
  auto names = notes ? names_of_notes(file) : names_of_lines(file, doubled, warnings);
  if (names.empty())
    throw Error(ErrorKind::Data, fmt::format("{}: has no class names: expected one a line", printable(file.native())));
  if (lower_case(file.filename().string()) == kPredefined)
    warnings.push_back(fmt::format(
        "{}: there is no classes.txt, so these are taken as the names of the classes, the first as that of class 0",
        printable(file.native())));
  return names;
}

}  // namespace fovea
