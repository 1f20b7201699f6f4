#include "tools/data/formats/yolo_yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

class YamlReader {
 public:
  explicit YamlReader(const fs::path& file) : name_(printable(file.native())) {
    const auto bytes = read_file(file);
    try {
      root_ = YAML::Load(std::string(bytes.begin(), bytes.end()));
    } catch (const YAML::Exception& error) {
      throw fail(error.mark, error.msg);
    }
  }

  YoloYaml read() {
    try {
      YoloYaml yaml;
      if (!root_.IsMap()) throw fail(root_.Mark(), "expected keys: train, val, names");
      if (const auto path = root_["path"]; path && !is_empty(path)) yaml.path = text(path, "path");
      for (const char* split : {"train", "val", "test"})
        if (const auto node = root_[split]; node && !is_empty(node)) yaml.splits[split] = texts(node, split);
      if (yaml.splits.empty())
        throw fail(root_.Mark(), "has neither train nor val: expected a folder of images or a list");
      yaml.categories = names();
      return yaml;
    } catch (const YAML::Exception& error) {
      throw fail(error.mark, error.msg);
    }
  }

 private:
  static bool is_empty(const YAML::Node& node) { return node.IsNull() || (node.IsScalar() && node.Scalar().empty()); }

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

  std::vector<Category> names() const {
    const auto node = root_["names"];
    if (!node || node.IsNull()) throw fail(root_.Mark(), "has no names: expected a list of class names");
    std::vector<Category> list;
    std::set<std::string> seen;
    const auto add = [&](int64_t id, const YAML::Node& name) {
      list.push_back({id, text(name, "names")});
      if (!seen.insert(list.back().name).second)
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
  YAML::Node root_;
};

bool has_names(const fs::path& file) {
  const auto bytes = read_file(file);
  for (const auto line : lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()}))
    if (line.starts_with("names:") || line.starts_with("\"names\":")) return true;
  return false;
}

}  // namespace

YoloYaml read_yolo_yaml(const fs::path& file) { return YamlReader(file).read(); }

std::optional<fs::path> find_yolo_yaml(const fs::path& folder) {
  for (const char* usual : {"data.yaml", "data.yml", "dataset.yaml"})
    if (fs::is_regular_file(folder / usual)) return folder / usual;
  std::optional<fs::path> found;
  for (const std::string& name : files_in(folder)) {
    if ((!has_ending(name, ".yaml") && !has_ending(name, ".yml")) || !has_names(folder / name)) continue;
    if (found) return std::nullopt;
    found = folder / name;
  }
  return found;
}

}  // namespace fovea
