// Names that files and folders of splits have.
#pragma once
#include <string_view>

namespace fovea {

// train, Validation, test2017, val_small; not trainval, values.
bool is_split_name(std::string_view name);

}  // namespace fovea
