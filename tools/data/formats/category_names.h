// Categories by their names.
#pragma once
#include <map>
#include <set>
#include <string>

#include "tools/data/formats/raw_dataset.h"

namespace fovea {

// Trims the names. Categories that then have one name become one, that of the largest id: where at most one of them has
// objects (Roboflow writes a category 0 of no use), or where `merge` asks for it; returns lines for the user about
// that. Else throws ErrorKind::Data with their ids.
std::vector<std::string> unite_categories(RawDataset& raw, bool merge);

// Makes the categories 0, 1, … of these names, in the order of the alphabet; the id of each.
std::map<std::string, int64_t> number_categories(RawDataset& raw, const std::set<std::string>& names);

}  // namespace fovea
