#include "tools/report/tensor_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/printable.h"
#include "model/weight_names.h"
#include "tools/report/table.h"

namespace fovea {

std::string tensor_list(const TensorFile& file) {
  Table table({"tensor", "dtype", "shape", "in the file"});
  for (const auto& [name, in_file] : names_taken(file)) {
    const StoredTensor& tensor = file.at(in_file);
    table.add({printable(name), printable(tensor.dtype), fmt::format("[{}]", fmt::join(tensor.shape, ", ")),
               name == in_file ? "" : printable(in_file)});
  }
  return fmt::format("{}: {}, {} tensors\n{}", printable(file.path().native()), file.format(), file.tensors().size(),
                     table.text());
}

}  // namespace fovea
