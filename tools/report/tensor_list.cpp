#include "tools/report/tensor_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/printable.h"
#include "tools/report/table.h"

namespace fovea {

std::string tensor_list(const TensorFile& file, const std::map<std::string, std::string>& taken,
                        const std::string& network) {
  Table table({"tensor", "dtype", "shape", "in the file"});
  for (const auto& [name, in_file] : taken) {
    const StoredTensor& tensor = file.at(in_file);
    table.add({printable(name), printable(tensor.dtype), fmt::format("[{}]", fmt::join(tensor.shape, ", ")),
               name == in_file ? "" : printable(in_file)});
  }
  return fmt::format("{}: {}, {} tensors\n{}{}", printable(file.path().native()), file.format(), file.tensors().size(),
                     network.empty() ? "" : network + "\n", table.text());
}

}  // namespace fovea
