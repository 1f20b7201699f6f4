#include "tools/analysis/stratify.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "kernels/error.h"
#include "tools/text/content_hash.h"
#include "tools/text/file.h"

namespace fovea {

namespace {

// Images of the same content.
struct Group {
  std::vector<WritableImage> images;
  std::set<int> labels;
  enum class Side { Open, Train, Val } side = Side::Open;
};

using Groups = std::map<std::string, Group>;  // by content, so in an order that is the same everywhere

std::vector<Group*> of_label(Groups& groups, int label) {
  std::vector<Group*> found;
  for (auto& [hash, group] : groups)
    if (label < 0 ? group.labels.empty() : group.labels.contains(label)) found.push_back(&group);
  return found;
}

int64_t wanted_in_val(size_t images, double val) {
  const auto most = static_cast<int64_t>(images) - 1;
  if (most < 1) return 0;
  return std::clamp<int64_t>(std::llround(val * static_cast<double>(images)), 1, most);
}

void divide(const std::vector<Group*>& groups, double val) {
  int64_t missing = wanted_in_val(groups.size(), val);
  for (const Group* group : groups) missing -= group->side == Group::Side::Val ? 1 : 0;
  for (Group* group : groups) {
    if (group->side != Group::Side::Open) continue;
    group->side = missing > 0 ? Group::Side::Val : Group::Side::Train;
    --missing;
  }
}

}  // namespace

WritableSet split_anew(WritableSet set, double val, const std::function<void(int64_t)>& progress) {
  Groups groups;
  int64_t done = 0;
  WritableSet result{.categories = set.categories, .splits = {{"train", {}}, {"val", {}}}};
  for (WritableSplit& split : set.splits) {
    if (split.name == "test") {
      result.splits.push_back(std::move(split));
      continue;
    }
    for (WritableImage& image : split.images) {
      Group& group = groups[content_hash(read_file(image.source))];
      if (progress) progress(++done);
      for (const Object& object : image.sample.objects) group.labels.insert(object.label);
      group.images.push_back(std::move(image));
    }
  }
  if (groups.size() < 2) throw Error(ErrorKind::Data, "cannot split: there are fewer than two different images");
  std::vector<std::pair<size_t, int>> rarest_first;
  for (int label = -1; label < static_cast<int>(set.categories.size()); ++label)
    rarest_first.emplace_back(label < 0 ? SIZE_MAX : of_label(groups, label).size(), label);
  std::sort(rarest_first.begin(), rarest_first.end());
  for (const auto& [images, label] : rarest_first) divide(of_label(groups, label), val);
  const auto in_val = [](const auto& entry) { return entry.second.side == Group::Side::Val; };
  if (std::none_of(groups.begin(), groups.end(), in_val)) groups.begin()->second.side = Group::Side::Val;
  for (auto& [hash, group] : groups)
    for (WritableImage& image : group.images)
      result.splits[group.side == Group::Side::Val ? 1 : 0].images.push_back(std::move(image));
  // A reader finds images in the order of their names, not of hashes.
  for (size_t s = 0; s < 2; ++s)
    std::stable_sort(result.splits[s].images.begin(), result.splits[s].images.end(),
                     [](auto& a, auto& b) { return a.sample.file_name < b.sample.file_name; });
  return result;
}

}  // namespace fovea
