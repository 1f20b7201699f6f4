#include "tools/data/formats/category_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/file_finder.h"
#include "tools/text/advice.h"
#include "tools/text/text.h"

namespace fovea {

namespace {

// What names have in common that a slip of the pen parts.
std::string gist_of(const std::string& name) {
  std::string gist = lower_case(taken_apart(name));
  std::erase_if(gist, [](char c) { return c == ' ' || c == '\t' || c == '_' || c == '-'; });
  return gist;
}

std::string alike_text(const std::string& name, const std::string& other) {
  return fmt::format("the classes '{}' and '{}'", printable(name), printable(other));
}

constexpr const char* kAlike = "differ only in letter case, spaces, _ or -, and are two: rename one if they are one";

// The first two that are nearly alike.
void warn_of_names_alike(const RawDataset& raw, std::vector<std::string>& warnings) {
  std::map<std::string, std::string> names;
  size_t count = 0;
  std::string first;
  for (const Category& category : raw.categories) {
    const auto [found, added] = names.emplace(gist_of(category.name), category.name);
    if (!added && found->second != category.name && count++ == 0) first = alike_text(found->second, category.name);
  }
  if (count > 0)
    warnings.push_back(fmt::format("{}: {} {}{}", raw.name, first, kAlike,
                                   count > 1 ? fmt::format(" (and {} more pairs)", count - 1) : ""));
}

}  // namespace

std::string names_alike(const std::string& split_a, const std::vector<Category>& a, const std::string& split_b,
                        const std::vector<Category>& b) {
  const auto has = [](const std::vector<Category>& list, const std::string& name) {
    return std::any_of(list.begin(), list.end(), [&](auto& category) { return category.name == name; });
  };
  std::map<std::string, std::string> names;
  for (const Category& category : a)
    if (!has(b, category.name)) names.emplace(gist_of(category.name), category.name);
  for (const Category& category : b)
    if (const auto found = names.find(gist_of(category.name)); found != names.end() && !has(a, category.name))
      return fmt::format("{} of {} and {} {}", alike_text(found->second, category.name), split_a, split_b, kAlike);
  return "";
}

std::vector<std::string> unite_categories(RawDataset& raw, bool merge) {
  std::map<std::string, std::vector<int64_t>> ids_of;
  for (Category& category : raw.categories) {
    category.name = trimmed(category.name);
    if (category.name.empty())
      throw Error(ErrorKind::Data,
                  fmt::format("{}: the category {} has no name but white space", raw.name, category.id));
    ids_of[category.name].push_back(category.id);
  }
  std::vector<std::string> warnings;
  warn_of_names_alike(raw, warnings);
  if (ids_of.size() == raw.categories.size()) return warnings;
  std::unordered_set<int64_t> used;
  for (const RawObject& object : raw.objects) used.insert(object.category_id);
  std::unordered_map<int64_t, int64_t> becomes;
  for (auto& [name, ids] : ids_of) {
    if (ids.size() == 1) continue;
    std::sort(ids.begin(), ids.end());
    const auto with_objects = std::count_if(ids.begin(), ids.end(), [&](int64_t id) { return used.contains(id); });
    const std::string who =
        fmt::format("{}: the categories {} are all called '{}'", raw.name, fmt::join(ids, ", "), printable(name));
    if (with_objects > 1 && !merge)
      throw Error(ErrorKind::Data, fmt::format("{} and {} of them have boxes: rename them, or {} if they are one class",
                                               who, with_objects, advise(advice::kMergeClasses)));
    warnings.push_back(fmt::format("{}: they are taken as one, {}", who, ids.back()));
    for (const int64_t id : ids) becomes.emplace(id, ids.back());
  }
  std::erase_if(raw.categories, [&](const Category& category) {
    const auto found = becomes.find(category.id);
    return found != becomes.end() && found->second != category.id;
  });
  for (RawObject& object : raw.objects)
    if (const auto found = becomes.find(object.category_id); found != becomes.end()) object.category_id = found->second;
  return warnings;
}

std::map<std::string, int64_t> number_categories(RawDataset& raw, const std::set<std::string>& names) {
  std::map<std::string, int64_t> ids;
  for (const std::string& name : names) {
    const auto id = static_cast<int64_t>(raw.categories.size());
    raw.categories.push_back({id, name});
    ids.emplace(name, id);
  }
  return ids;
}

}  // namespace fovea
