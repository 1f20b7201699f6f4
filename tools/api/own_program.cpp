#include "tools/api/own_program.h"

#include <dlfcn.h>
#include <unistd.h>

#include <filesystem>

#include "tools/api/fovea.h"

namespace fovea::api {

std::string own_program() {
  Dl_info self{};
  if (dladdr(reinterpret_cast<const void*>(&fovea_version), &self) == 0 || self.dli_fname == nullptr) return "";
  std::error_code error;
  std::filesystem::path folder = std::filesystem::canonical(self.dli_fname, error).parent_path();
  // Of lib/x86_64-linux-gnu/libfovea.so: bin/fovea two folders up.
  for (int up = 0; up < 3 && !error; ++up, folder = folder.parent_path())
    for (const char* place : {"bin/fovea", "fovea"})
      if (std::error_code none;
          std::filesystem::is_regular_file(folder / place, none) && access((folder / place).c_str(), X_OK) == 0)
        return folder / place;
  return "";
}

}  // namespace fovea::api
