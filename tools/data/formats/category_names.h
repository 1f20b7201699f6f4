// Categories by their names.
#pragma once
#include <map>
#include <set>
#include <string>

#include "tools/data/formats/raw_dataset.h"

namespace fovea {

// Trims the names. Categories that then have one name become one, that of the largest id: where at most one of them has
// objects (Roboflow writes a category 0 of no use), or where `merge` asks for it; returns lines for the user about
// that. Else throws ErrorKind::Data with their ids. A line names those that are nearly alike, too.
std::vector<std::string> unite_categories(RawDataset& raw, bool merge);

// A line on names of `a` and `b`, the categories of two splits, that are two but differ only in letter case, white
// space, _ or -; empty where there are none.
std::string names_alike(const std::string& split_a, const std::vector<Category>& a, const std::string& split_b,
                        const std::vector<Category>& b);

// Makes the categories 0, 1, … of these names, in the order of the alphabet; the id of each.
std::map<std::string, int64_t> number_categories(RawDataset& raw, const std::set<std::string>& names);

}  // namespace fovea
