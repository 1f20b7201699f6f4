#include "tools/checkpoint/data_identity.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <type_traits>

#include "engine/printable.h"
#include "kernels/hash.h"

namespace fovea {
namespace {

class Hash {
 public:
  void add(const void* data, size_t bytes) { value_ = fnv1a(data, bytes, value_); }
  template <class T>
  void add(const T& value) {
    static_assert(std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);
    add(&value, sizeof(value));
  }
  void add(const std::string& text) {
    add(text.size());
    add(text.data(), text.size());
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = fnv1a(nullptr, 0);
};

std::string to_json(const SplitIdentity& split) {
  return fmt::format(R"({{"images":{},"boxes":{},"hash":"{:016x}"}})", split.images, split.boxes, split.hash);
}

std::optional<SplitIdentity> split_of_json(simdjson::dom::element json) {
  SplitIdentity split;
  std::string_view hash;
  if (json["images"].get_int64().get(split.images) || json["boxes"].get_int64().get(split.boxes) ||
      json["hash"].get_string().get(hash))
    return std::nullopt;
  const std::string digits(hash);
  char* end = nullptr;
  split.hash = std::strtoull(digits.c_str(), &end, 16);
  return *end == '\0' && !digits.empty() ? std::optional(split) : std::nullopt;
}

std::string name_at(const std::vector<Category>& categories, size_t label) {
  return label < categories.size() ? printable(categories[label].name) : "(none)";
}

void add_changes(std::vector<std::string>& lines, const char* name, const SplitIdentity& before,
                 const SplitIdentity& now) {
  if (before == now) return;
  const bool counts = before.images != now.images || before.boxes != now.boxes;
  lines.push_back(counts ? fmt::format("{}: {} images, {} boxes -> {} images, {} boxes", name, before.images,
                                       before.boxes, now.images, now.boxes)
                         : fmt::format("{}: as many images ({}) and boxes ({}), but other file names, sizes or boxes",
                                       name, now.images, now.boxes));
}

}  // namespace

SplitIdentity identity_of(const Dataset& split) {
  Hash hash;
  for (const Category& category : split.categories) {
    hash.add(category.id);
    hash.add(category.name);
  }
  int64_t boxes = 0;
  for (const Sample& sample : split.samples) {
    hash.add(sample.id);
    hash.add(sample.file_name);
    hash.add(sample.width);
    hash.add(sample.height);
    for (const Object& object : sample.objects) {
      hash.add(object.id);
      hash.add(object.label);
      hash.add(object.crowd);
      for (const double value : object.bbox) hash.add(value);
    }
    boxes += static_cast<int64_t>(sample.objects.size());
  }
  return {static_cast<int64_t>(split.samples.size()), boxes, hash.value()};
}

std::string to_json(const DataIdentity& identity) {
  return fmt::format(R"({{"train":{},"val":{}}})", to_json(identity.train), to_json(identity.val));
}

std::optional<DataIdentity> data_identity_of_json(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root, train, val;
  if (parser.parse(json).get(root) || root["train"].get(train) || root["val"].get(val)) return std::nullopt;
  const auto of_train = split_of_json(train), of_val = split_of_json(val);
  return of_train && of_val ? std::optional(DataIdentity{*of_train, *of_val}) : std::nullopt;
}

std::vector<std::string> category_changes(const std::vector<Category>& before, const std::vector<Category>& now) {
  std::vector<std::string> lines;
  for (size_t label = 0; label < std::max(before.size(), now.size()); ++label)
    if (const auto was = name_at(before, label), is = name_at(now, label); was != is)
      lines.push_back(fmt::format("{} {} -> {}", label + 1, was, is));
  return lines;
}

std::vector<std::string> data_changes(const DataIdentity& before, const DataIdentity& now) {
  std::vector<std::string> lines;
  add_changes(lines, "train", before.train, now.train);
  add_changes(lines, "val", before.val, now.val);
  return lines;
}

}  // namespace fovea
