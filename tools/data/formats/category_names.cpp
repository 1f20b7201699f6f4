#include "tools/data/formats/category_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/advice.h"
#include "tools/text/text.h"

namespace fovea {

std::vector<std::string> unite_categories(RawDataset& raw, bool merge) {
  std::map<std::string, std::vector<int64_t>> ids_of;
  for (Category& category : raw.categories) {
    category.name = trimmed(category.name);
    if (category.name.empty())
      throw Error(ErrorKind::Data,
                  fmt::format("{}: the category {} has no name but white space", raw.name, category.id));
    ids_of[category.name].push_back(category.id);
  }
  if (ids_of.size() == raw.categories.size()) return {};
  std::vector<std::string> warnings;
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
