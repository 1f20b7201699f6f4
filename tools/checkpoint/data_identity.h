// What a training was trained on, as far as a checkpoint remembers it: enough to notice that it is not the same.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/data/dataset.h"

namespace fovea {

struct SplitIdentity {
  int64_t images = 0, boxes = 0;
  uint64_t hash = 0;  // of categories, ids, file names, sizes and boxes; not of pixels, nor of where the images lie
  bool operator==(const SplitIdentity&) const = default;
};
SplitIdentity identity_of(const Dataset& split);

struct DataIdentity {
  SplitIdentity train, val;
  bool operator==(const DataIdentity&) const = default;
};

std::string to_json(const DataIdentity& identity);
// None where it is not what to_json writes.
std::optional<DataIdentity> data_identity_of_json(const std::string& json);

// Lines that say how the classes differ, in the order of the network's outputs: "2 beta -> alpha", "3 gamma -> (none)".
std::vector<std::string> category_changes(const std::vector<Category>& before, const std::vector<Category>& now);
// Lines that say how the images or boxes differ; empty: they are the same.
std::vector<std::string> data_changes(const DataIdentity& before, const DataIdentity& now);

}  // namespace fovea
