// Golden values from torchvision (tests/data/golden, or the folder that FOVEA_GOLDEN names).
#pragma once
#include <cstdlib>
#include <string>

#include "engine/safetensors.h"
#include "tests/support/tolerance.h"

namespace fovea::test {

// `name` without its ending, e.g. "focal_loss" or "narrow_basic.weights".
inline SafetensorsFile golden(const std::string& name) {
  const char* folder = std::getenv("FOVEA_GOLDEN");
  return SafetensorsFile(std::filesystem::path(folder != nullptr ? folder : FOVEA_TEST_DATA "/golden") /
                         (name + ".safetensors"));
}

// A float64 tensor as a Reference with mag = |ref|: for values that are no sums of larger terms.
inline Reference as_reference(const SafetensorsFile& file, const std::string& tensor) {
  Reference reference;
  reference.ref = file.read<double>(tensor);
  for (const double value : reference.ref) reference.mag.push_back(std::abs(value));
  return reference;
}

}  // namespace fovea::test
