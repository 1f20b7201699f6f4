// The folder of small real files that tests read.
#pragma once
#include <filesystem>
#include <string>

namespace fovea::test {

inline std::filesystem::path test_data(const std::string& name) {
  return std::filesystem::path(FOVEA_TEST_DATA) / name;
}

}  // namespace fovea::test
