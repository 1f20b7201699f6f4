#include "tools/config/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <cstdint>
#include <map>
#include <type_traits>

#include "engine/printable.h"
#include "kernels/error.h"
#include "kernels/notice.h"
#include "model/backbone/kinds.h"
#include "tools/config/fields.h"
#include "tools/text/file.h"
#include "tools/text/nearest.h"

namespace fovea {

namespace {

template <class T>
struct IsSequence : std::false_type {};
template <class T>
struct IsSequence<std::vector<T>> : std::true_type {};
template <class T, size_t N>
struct IsSequence<std::array<T, N>> : std::true_type {};

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorKind::Usage, message); }

// ---- fields to text

template <class T>
std::string text_of(const T& value) {
  if constexpr (std::is_same_v<T, bool>)
    return value ? "true" : "false";
  else if constexpr (std::is_enum_v<T>) {
    return fmt::format("\"{}\"", word_of(value));
  } else if constexpr (IsSequence<T>::value) {
    std::vector<std::string> parts;
    for (const auto& part : value) parts.push_back(text_of(part));
    return fmt::format("[{}]", fmt::join(parts, ", "));
  } else if constexpr (std::is_floating_point_v<T>) {
    const std::string text = fmt::format("{}", value);  // the shortest that reads back to the same number
    return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
  } else {
    return fmt::format("{}", value);
  }
}

// ---- fields from TOML

// Where settings come from, for messages.
struct Source {
  std::string name;
  bool has_lines = true;
  std::string at(const toml::source_region& place) const {
    return has_lines && place.begin.line > 0 ? fmt::format("{}:{}", name, place.begin.line) : name;
  }
};

// Where a value stands, for messages.
struct Place {
  const Source& source;
  std::string key;
  std::string text(const toml::node& node) const { return fmt::format("{}: {}", source.at(node.source()), key); }
};

template <class T>
void read_value(const toml::node& node, T& value, const Place& place) {
  if constexpr (std::is_same_v<T, bool>) {
    const auto read = node.value_exact<bool>();
    if (!read) refuse(place.text(node) + " must be true or false");
    value = *read;
  } else if constexpr (std::is_enum_v<T>) {
    const auto read = node.value_exact<std::string>();
    std::vector<std::string> names;
    for (const auto& entry : EnumTable<T>::names) {
      names.emplace_back(entry.name);
      if (read && *read == entry.name) {
        value = entry.value;
        return;
      }
    }
    refuse(fmt::format("{} must be one of {}", place.text(node), fmt::join(names, ", ")));
  } else if constexpr (std::is_integral_v<T>) {
    const auto read = node.value_exact<int64_t>();
    if (!read || !std::in_range<T>(*read)) refuse(place.text(node) + " must be a whole number in range");
    value = static_cast<T>(*read);
  } else if constexpr (std::is_floating_point_v<T>) {
    const auto read = node.is_number() ? node.value<double>() : std::nullopt;
    if (!read) refuse(place.text(node) + " must be a number");
    value = *read;
  } else {
    const toml::array* array = node.as_array();
    if (array == nullptr) {  // one value stands for a list of one
      T one(value);
      if constexpr (requires { one.resize(1); }) {
        one.resize(1);
        read_value(node, one[0], place);
        value = one;
        return;
      }
      refuse(place.text(node) + " must be a list");
    }
    if constexpr (requires { value.resize(1); }) value.resize(array->size());
    if (array->size() != value.size()) refuse(fmt::format("{} must have {} values", place.text(node), value.size()));
    for (size_t i = 0; i < value.size(); ++i) read_value(*array->get(i), value[i], place);
  }
}

void collect_keys(const toml::table& table, const std::string& prefix, std::map<std::string, const toml::node*>& keys) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = node.as_table())
      collect_keys(*inner, name + ".", keys);
    else
      keys[name] = &node;
  }
}

struct Renamed {
  const char *old_key, *key;
};
constexpr Renamed kRenamed[] = {{"input.deviation", "input.std"}, {"model.loss.normaliser", "model.loss.normalizer"}};

// Old keys become those of today; both at once are refused.
void take_renamed(std::map<std::string, const toml::node*>& keys, const Source& source, OldKeys old_keys) {
  for (const Renamed& renamed : kRenamed) {
    const auto found = keys.find(renamed.old_key);
    if (found == keys.end()) continue;
    const std::string place = Place{source, renamed.old_key}.text(*found->second);
    if (!keys.emplace(renamed.key, found->second).second)
      refuse(fmt::format("{} is now called {}, which is set too: remove one of them", place, renamed.key));
    if (old_keys == OldKeys::Warn) notice(fmt::format("{} is now called {}", place, renamed.key));
    keys.erase(found);
  }
}

toml::table parse(const std::string& text, const Source& source) {
  try {
    return toml::parse(text, source.name);
  } catch (const toml::parse_error& error) {
    refuse(fmt::format("{}: {}", source.at(error.source()), error.description()));
  }
}

void apply(Config& config, const std::string& text, const Source& source, OldKeys old_keys) {
  const toml::table table = parse(text, source);
  std::map<std::string, const toml::node*> keys;
  collect_keys(table, "", keys);
  take_renamed(keys, source, old_keys);
  constexpr const char* kKind = "model.backbone.kind";  // first, since the others go by it
  if (const auto found = keys.find(kKind); found != keys.end()) {
    BackboneKind kind{};
    read_value(*found->second, kind, {source, kKind});
    change_kind(config.model.backbone, kind);
  }
  std::vector<std::string> known;
  visit_fields(config, [&](const char* key, auto& field) {
    known.emplace_back(key);
    const auto found = keys.find(key);
    if (found == keys.end()) return;
    read_value(*found->second, field, {source, key});
    keys.erase(found);
  });
  if (!keys.empty()) {
    const auto& [key, node] = *keys.begin();
    refuse(fmt::format("{}: unknown setting{}", Place{source, key}.text(*node), did_you_mean(key, known)));
  }
}

}  // namespace

void apply_toml(Config& config, const std::string& text, const std::string& source, OldKeys old_keys) {
  apply(config, text, {source}, old_keys);
}

void apply_file(Config& config, const std::filesystem::path& path) {
  constexpr uint64_t kMost = 1 << 20;
  try {
    const auto bytes = read_file(path, kMost);
    apply_toml(config, std::string(bytes.begin(), bytes.end()), printable(path.native()));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    refuse(error.what());  // the user gave a file that is none
  }
}

void apply_setting(Config& config, const std::string& setting, const std::string& source) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0)
    refuse(fmt::format("{} {}: write it as key=value, e.g. train.steps=1000", source, setting));
  const std::string key = setting.substr(0, equals), value = setting.substr(equals + 1);
  if (value.find_first_not_of(" \t") == std::string::npos)
    refuse(fmt::format("{} {}: has no value behind the =", source, setting));
  const bool bare_word = !value.empty() && std::isalpha(static_cast<unsigned char>(value[0])) != 0 && value != "true" &&
                         value != "false" && value != "inf" && value != "nan";
  apply(config, fmt::format("{} = {}", key, bare_word ? "\"" + value + "\"" : value), {source + " " + setting, false},
        OldKeys::Warn);
}

std::string to_toml(const Config& config) {
  std::string text, section;
  visit_fields(config, [&](const std::string& key, const auto& field) {
    const size_t dot = key.rfind('.');
    const std::string of_key = dot == std::string::npos ? "" : key.substr(0, dot);
    if (of_key != section) text += fmt::format("\n[{}]\n", of_key);
    section = of_key;
    text += fmt::format("{} = {}\n", dot == std::string::npos ? key : key.substr(dot + 1), text_of(field));
  });
  return text;
}

std::vector<SettingName> setting_names() {
  std::vector<SettingName> names;
  const Config config;
  visit_fields(config, [&]<class T>(const char* key, const T&) {
    SettingName& setting = names.emplace_back(SettingName{key, {}});
    if constexpr (std::is_same_v<T, bool>) setting.values = {"true", "false"};
    if constexpr (std::is_enum_v<T>)
      for (const auto& entry : EnumTable<T>::names) setting.values.emplace_back(entry.name);
  });
  return names;
}

std::string value_of(const Config& config, const std::string& key) {
  std::string text;
  visit_fields(config, [&](const char* of_field, const auto& field) {
    if (key == of_field) text = text_of(field);
  });
  return text;
}

std::vector<std::string> differences(const Config& a, const Config& b) {
  std::vector<std::pair<std::string, std::string>> of_a, of_b;
  visit_fields(a, [&](const char* key, const auto& field) { of_a.emplace_back(key, text_of(field)); });
  visit_fields(b, [&](const char* key, const auto& field) { of_b.emplace_back(key, text_of(field)); });
  std::vector<std::string> lines;
  for (size_t i = 0; i < of_a.size(); ++i)
    if (of_a[i] != of_b[i]) lines.push_back(fmt::format("{}: {} -> {}", of_a[i].first, of_a[i].second, of_b[i].second));
  return lines;
}

Schedule schedule_of(const Config& config) {
  Schedule schedule = config.train.schedule;
  schedule.total_steps = config.train.steps;
  schedule.base = schedule.base_for(config.train.batch);
  return schedule;
}

}  // namespace fovea
