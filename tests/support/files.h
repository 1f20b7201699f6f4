// Files for tests: the folder of test data, and a folder of one's own that goes away with its owner.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>

namespace fovea::test {

inline std::filesystem::path test_data(const std::string& name) {
  return std::filesystem::path(FOVEA_TEST_DATA) / name;
}

struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "fovea_test_XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

}  // namespace fovea::test
