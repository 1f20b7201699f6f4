#include "tools/data/formats/yolo_yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

class YamlReader {
 public:
  YamlReader(const fs::path& file, bool doubled) : name_(printable(file.native())), doubled_(doubled) {
    const TextFile read = read_text_file(file);
    if (!read.warning.empty()) warnings_.push_back(read.warning);
    try {
      root_ = YAML::Load(read.text);
    } catch (const YAML::Exception& error) {
      throw fail(error.mark, error.msg);
    }
  }

  YoloYaml read() {
    try {
      YoloYaml yaml;
      if (!root_.IsMap()) throw fail(root_.Mark(), "expected keys: train, val, names");
      if (const auto path = root_["path"]; path && !is_empty(path)) yaml.path = text(path, "path");
      for (const auto& entry : root_)
        if (entry.first.IsScalar() && is_split(entry.first.Scalar()) && !is_empty(entry.second))
          yaml.splits[entry.first.Scalar()] = texts(entry.second, entry.first.Scalar());
      if (yaml.splits.empty())
        throw fail(root_.Mark(), "has neither train nor val: expected a folder of images or a list");
      yaml.categories = names();
      yaml.task = task();
      yaml.warnings = warnings_;
      return yaml;
    } catch (const YAML::Exception& error) {
      throw fail(error.mark, error.msg);
    }
  }

 private:
  static bool is_empty(const YAML::Node& node) { return node.IsNull() || (node.IsScalar() && node.Scalar().empty()); }

  static bool is_split(const std::string& key) {
    constexpr std::array<std::string_view, 6> keys{"train", "val", "valid", "validation", "test", "minival"};
    return std::find(keys.begin(), keys.end(), lower_case(key)) != keys.end();
  }

  Error fail(const YAML::Mark& mark, const std::string& why) const {
    return {ErrorKind::Data,
            mark.is_null() ? fmt::format("{}: {}", name_, why) : fmt::format("{}:{}: {}", name_, mark.line + 1, why)};
  }

  std::string text(const YAML::Node& node, const std::string& key) const {
    if (!node.IsScalar() || is_empty(node)) throw fail(node.Mark(), key + ": expected a string");
    return node.Scalar();
  }

  std::vector<std::string> texts(const YAML::Node& node, const std::string& key) const {
    if (!node.IsSequence()) return {text(node, key)};
    std::vector<std::string> all;
    for (const auto& part : node) all.push_back(text(part, key));
    return all;
  }

  YoloTask task() const {
    YoloTask task;
    if (const auto node = root_["task"]; node && node.IsScalar()) task.task = lower_case(node.Scalar());
    const auto shape = root_["kpt_shape"];
    if (!shape || shape.IsNull()) return task;
    std::vector<int64_t> numbers;
    for (const std::string& word : texts(shape, "kpt_shape")) numbers.push_back(parse_integer(word).value_or(0));
    if (numbers.size() != 2 || numbers[0] < 1 || numbers[0] > 10000 || numbers[1] < 2 || numbers[1] > 3)
      throw fail(shape.Mark(), "kpt_shape: expected [key points, 2 or 3]");
    task.kpt_shape = {static_cast<int>(numbers[0]), static_cast<int>(numbers[1])};
    return task;
  }

  std::vector<Category> names() const {
    const auto node = root_["names"];
    if (!node || node.IsNull()) throw fail(root_.Mark(), "has no names: expected a list of class names");
    std::vector<Category> list;
    std::set<std::string> seen;
    const auto add = [&](int64_t id, const YAML::Node& name) {
      list.push_back({id, std::string(trimmed(text(name, "names")))});
      if (list.back().name.empty()) throw fail(name.Mark(), "names: expected a string");
      if (!seen.insert(list.back().name).second && !doubled_)
        throw fail(name.Mark(), fmt::format("names: '{}' is listed twice", printable(list.back().name)));
    };
    if (node.IsSequence()) {
      for (const auto& name : node) add(static_cast<int64_t>(list.size()), name);
    } else if (node.IsMap()) {
      for (const auto& entry : node) {
        const auto id = parse_id(text(entry.first, "names"));
        if (!id || *id < 0)
          throw fail(entry.first.Mark(),
                     fmt::format("names: expected a class number, found {}", excerpt(text(entry.first, "names"))));
        add(*id, entry.second);
      }
    } else {
      throw fail(node.Mark(), "names: expected a list, or a map of numbers to names");
    }
    if (const auto count = root_["nc"]; count && parse_integer(text(count, "nc")) != static_cast<int64_t>(list.size()))
      throw fail(count.Mark(),
                 fmt::format("nc is {}, but there are {} names", excerpt(text(count, "nc")), list.size()));
    return list;
  }

  std::string name_;
  bool doubled_;
  YAML::Node root_;
  std::vector<std::string> warnings_;
};

bool has_names(const fs::path& file) {
  const std::string text = beginning_if_readable(file, size_t{1} << 20);
  for (const auto line : lines_of(text))
    if (line.starts_with("names:") || line.starts_with("\"names\":")) return true;
  return false;
}

std::vector<fs::path> with_names(const fs::path& folder, const std::vector<std::string>& files) {
  std::vector<fs::path> found;
  for (const std::string& name : files)
    if ((has_ending(name, ".yaml") || has_ending(name, ".yml")) && has_names(folder / name))
      found.push_back(folder / name);
  return found;
}

}  // namespace

YoloYaml read_yolo_yaml(const fs::path& file, bool doubled) { return YamlReader(file, doubled).read(); }

std::optional<fs::path> find_yolo_yaml(const fs::path& folder) {
  for (const char* usual : {"data.yaml", "data.yml", "dataset.yaml"})
    if (is_file(folder / usual)) return folder / usual;
  const auto found = with_names(folder, files_in(folder));
  return found.size() == 1 ? std::optional(found[0]) : std::nullopt;
}

std::vector<fs::path> yolo_yamls_below(const fs::path& folder) { return with_names(folder, files_below(folder)); }

}  // namespace fovea
