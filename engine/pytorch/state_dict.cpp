#include "engine/pytorch/state_dict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/printable.h"
#include "engine/pytorch/damage.h"
#include "engine/tensor_file.h"
#include "kernels/advice.h"

namespace fovea::pytorch {
namespace {

// In this order: what a training goes on with before its average.
constexpr std::string_view kStateDictKeys[] = {"model",         "state_dict", "model_state_dict", "module",
                                               "network",       "net",        "weights",          "params",
                                               kAverageWeights, "model_ema",  "ema_state_dict",   "ema_model"};
constexpr auto kAverages = std::span(kStateDictKeys).subspan<8>();
constexpr int kDeepestPlace = 4;  // keys within keys

constexpr const char* kSaveStateDict =
    "in Python, where its code is, write torch.save(model.state_dict(), \"weights.pth\")";

bool has_tensors(const Objects& objects, Value value) {
  if (!value.is(ValueKind::Dict)) return false;
  const Dict& entries = objects.dict(value);
  return std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
    return entry.first.is(ValueKind::Text) && entry.second.is(ValueKind::Tensor);
  });
}

struct Found {
  Value dict;
  std::string place;  // from where the search began
};

// Looks at each dictionary once, however often it is referred to.
class Search {
 public:
  explicit Search(const Objects& objects) : objects_(objects) {}

  const std::optional<Found>& in(Value value, int depth = 0) {
    static const std::optional<Found> none;
    if (!value.is(ValueKind::Dict) || depth > kDeepestPlace) return none;
    const auto [known, is_new] = known_.emplace(value.number, none);  // none also where it is within itself
    if (is_new) known->second = look(value, depth);
    return known->second;
  }

 private:
  std::optional<Found> look(Value value, int depth) {
    for (const std::string_view key : kStateDictKeys)
      if (const auto& found = in(objects_.find(value, key), depth + 1))
        return Found{found->dict, fmt::format("{}{}{}", key, found->place.empty() ? "" : ".", found->place)};
    if (has_tensors(objects_, value)) return Found{value, ""};
    return std::nullopt;
  }

  const Objects& objects_;
  std::map<int64_t, std::optional<Found>> known_;
};

// An object of a class whose state is that of a torch.nn.Module.
bool is_module(const Objects& objects, Value value) {
  if (!value.is(ValueKind::Object)) return false;
  const Value state = objects.object(value).state;
  return objects.find(state, "_parameters").is(ValueKind::Dict) && objects.find(state, "_modules").is(ValueKind::Dict);
}

// The keys of `value`, or those of them under which `wanted`.
template <class Wanted>
std::vector<std::string> keys_of(const Objects& objects, Value value, const Wanted& wanted) {
  constexpr size_t kMost = 8;  // in a message of one line
  std::vector<std::string> keys;
  if (!value.is(ValueKind::Dict)) return keys;
  for (const auto& [key, entry] : objects.dict(value))
    if (key.is(ValueKind::Text) && wanted(entry) && keys.size() <= kMost)
      keys.push_back(keys.size() == kMost ? "…" : fmt::format("'{}'", printable(objects.text(key))));
  return keys;
}

[[noreturn]] void refuse_module(const Objects& objects, Value module, const std::string& file,
                                const std::string& place) {
  refuse_content(file, fmt::format("holds a whole model{} ('{}', Python's object), not its weights: {}",
                                   place.empty() ? "" : " under '" + place + "'",
                                   printable(objects.object(module).made_by), kSaveStateDict));
}

[[noreturn]] void refuse_what_it_is(const Objects& objects, Value root, const std::string& file) {
  if (is_module(objects, root)) refuse_module(objects, root, file, "");
  if (root.is(ValueKind::Object))
    refuse_content(file, fmt::format("holds no dictionary of tensors, but what '{}' makes, which was not called: {}",
                                     printable(objects.object(root).made_by), kSaveStateDict));
  if (root.is(ValueKind::Tensor))
    refuse_content(file, fmt::format("holds one tensor without a name, no dictionary of tensors: {}", kSaveStateDict));
  if (!root.is(ValueKind::Dict))
    refuse_content(file, fmt::format("holds no dictionary of tensors: {}", kSaveStateDict));
  const auto keys = keys_of(objects, root, [](const Value&) { return true; });
  refuse_content(file, fmt::format("holds no tensors ({}): give the file that holds the weights",
                                   !keys.empty()                ? fmt::format("it has {}", fmt::join(keys, ", "))
                                   : objects.dict(root).empty() ? "it is empty"
                                                                : "its keys are no names"));
}

// "model.ema": the dictionary under a key of the one under a key.
Value at_place(const Objects& objects, Value root, std::string_view place) {
  while (!place.empty()) {
    const size_t dot = std::min(place.find('.'), place.size());
    root = objects.find(root, place.substr(0, dot));
    place.remove_prefix(std::min(dot + 1, place.size()));
  }
  return root;
}

Found find_dict(const Objects& objects, Value root, const std::string& file, const std::string& key) {
  Search search(objects);
  const auto with_tensors = [&](Value value) { return search.in(value, 1).has_value(); };
  const auto under = [](std::string_view place, const Found& found) {
    return Found{found.dict, fmt::format("{}{}{}", place, found.place.empty() ? "" : ".", found.place)};
  };
  if (!key.empty()) {
    if (const auto& found = search.in(objects.find(root, key), 1)) return under(key, *found);
    if (const auto& found = search.in(at_place(objects, root, key), 1)) return under(key, *found);
    if (key == kAverageWeights)
      for (const std::string_view other : kAverages)
        if (const auto& found = search.in(objects.find(root, other), 1)) return under(other, *found);
    const auto keys = keys_of(objects, root, with_tensors);
    refuse_content(file, fmt::format("has no tensors under '{}'{}", printable(key),
                                     keys.empty() ? "" : fmt::format("; it has some under {}", fmt::join(keys, ", "))));
  }
  if (const auto& found = search.in(root)) return *found;
  for (const std::string_view usual : kStateDictKeys)
    if (is_module(objects, objects.find(root, usual)))
      refuse_module(objects, objects.find(root, usual), file, std::string(usual));
  const auto keys = keys_of(objects, root, with_tensors);
  if (keys.size() > 1)
    refuse_content(file,
                   fmt::format("has tensors under {}: {}", fmt::join(keys, ", "), advise(advice::kNameStateDict)));
  if (keys.size() == 1)
    for (const auto& [name, entry] : objects.dict(root))
      if (name.is(ValueKind::Text) && with_tensors(entry)) return under(objects.text(name), *search.in(entry, 1));
  refuse_what_it_is(objects, root, file);
}

}  // namespace

std::map<std::string, Value> tensors_of(const Objects& objects, Value dict) {
  std::map<std::string, Value> tensors;
  if (!dict.is(ValueKind::Dict)) return tensors;
  for (const auto& [name, value] : objects.dict(dict)) {
    if (!name.is(ValueKind::Text)) continue;
    if (value.is(ValueKind::Tensor))
      tensors.insert_or_assign(std::string(objects.text(name)), value);
    else
      tensors.erase(std::string(objects.text(name)));
  }
  return tensors;
}

StateDict find_state_dict(const Objects& objects, Value root, const std::string& file, const std::string& key) {
  const Found found = find_dict(objects, root, file, key);
  return {.place = found.place, .tensors = tensors_of(objects, found.dict)};
}

}  // namespace fovea::pytorch
