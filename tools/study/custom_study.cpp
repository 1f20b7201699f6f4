#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/study/paper_studies.h"
#include "tools/text/text.h"

namespace fovea {
namespace {

struct Varied {
  std::string key;
  std::vector<std::string> values;
};

[[noreturn]] void refuse_varied(const std::string& text, const char* why) {
  throw Error(ErrorKind::Usage, fmt::format("{}: {}, e.g. train.schedule.base=0.0005,0.001", printable(text), why));
}

// At commas that stand in no brackets and no quotes.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts{""};
  int depth = 0;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (!quoted && c == '[') ++depth;
    if (!quoted && c == ']') --depth;
    if (c == ',' && depth == 0 && !quoted)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  for (std::string& part : parts) part = trimmed(part);
  return parts;
}

Varied varied_of(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) refuse_varied(text, "write it as key=value,value");
  Varied varied{std::string(trimmed(text.substr(0, equals))), parts_of(text.substr(equals + 1))};
  if (varied.key == "seed") refuse_varied(text, "seeds are varied by their number; name another setting");
  const std::set<std::string> distinct(varied.values.begin(), varied.values.end());
  if (distinct.contains("")) refuse_varied(text, "has an empty value");
  if (distinct.size() < varied.values.size()) refuse_varied(text, "has a value twice");
  return varied;
}

// Fit for a file's name.
std::string as_name(const std::string& text) {
  std::string name;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == '"' || c == ' ') continue;
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
    name += plain ? c : '_';
  }
  return name;
}

std::string short_key(const std::string& key) { return key.substr(key.rfind('.') + 1); }

}  // namespace

Study custom_study(const std::vector<std::string>& varied) {
  Study study{
      .name = "custom", .title = "", .about = "Trainings that differ in these settings alone.", .variants = {{}}};
  for (const std::string& text : varied) {
    const auto [key, values] = varied_of(text);
    if (std::find(study.columns.begin(), study.columns.end(), key) != study.columns.end())
      refuse_varied(text, "its setting is varied twice; name all values at once");
    study.columns.push_back(key);
    std::vector<Variant> product;
    for (const Variant& variant : study.variants) {
      for (const std::string& value : values) {
        Variant& next = product.emplace_back(variant);
        next.settings.push_back(fmt::format("{}={}", key, value));
        next.labels.push_back(value);
        next.name += fmt::format("{}{}-{}", next.name.empty() ? "" : "-", short_key(key), as_name(value));
      }
    }
    study.variants = std::move(product);
  }
  if (study.columns.empty()) throw Error(ErrorKind::Usage, "a study of settings needs at least one that varies");
  if (study.variants.size() < 2) throw Error(ErrorKind::Usage, "a study compares at least two values of a setting");
  std::set<std::string> names;  // values that differ in what no file's name has
  for (size_t i = 0; i < study.variants.size(); ++i)
    if (!names.insert(study.variants[i].name).second) study.variants[i].name += fmt::format("-{}", i + 1);
  for (const std::string& key : study.columns) study.title += (study.title.empty() ? "" : " × ") + key;
  return study;
}

}  // namespace fovea
