// Where NVIDIA's libraries are looked for; none of them is needed here.
#include "kernels/device/shared_library.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/variable.h"

using namespace fovea;
using Catch::Contains;
using test::Variable;
namespace fs = std::filesystem;

namespace {

constexpr const char* kSoname = "libnosuchthing.so.7";
constexpr LibraryName kName{kSoname, "FOVEA_NOSUCHTHING", "the thing"};

// Folders of a machine, and what it says of them.
struct Machine {
  test::TemporaryFolder folder;
  Variable path{"PATH", (folder.path() / "empty").string() + ":" + (folder.path() / "venv/bin").string()},
      environment{"VIRTUAL_ENV", ""}, conda{"CONDA_PREFIX", ""}, cuda{"CUDA_HOME", ""};

  std::string put(const std::string& in) const {
    const fs::path file = folder.path() / in / kSoname;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "no library";
    return file.string();
  }
  // A Python at `prefix`, and a virtual environment that is first on PATH and links to it.
  void add_python(const std::string& prefix) const {
    fs::create_directories(folder.path() / prefix / "bin");
    fs::create_directories(folder.path() / "venv/bin");
    const fs::path python = folder.path() / prefix / "bin/python3.12";
    std::ofstream(python) << "#!";
    fs::permissions(python, fs::perms::owner_all);
    fs::create_symlink(python, folder.path() / "venv/bin/python3");
  }
};

}  // namespace

TEST_CASE("a library is looked for where its variable says, and nowhere else then", "[shared_library]") {
  const Machine machine;
  const std::string file = machine.put("somewhere");
  const Variable asked("FOVEA_NOSUCHTHING", fs::path(file).parent_path().string());
  CHECK(library_places(kName) == std::vector<std::string>{file});
  CHECK_THROWS_WITH(load_library(kName), Contains("FOVEA_NOSUCHTHING names"));
}

TEST_CASE("a library is looked for by the loader, in the toolkit, in conda, in Python's packages, in this order",
          "[shared_library]") {
  Machine machine;
  machine.add_python("python");
  const std::string packages = "lib/python3.12/site-packages/nvidia/thing/lib";
  const std::vector<std::string> expected{kSoname,
                                          machine.put("cuda/lib64"),
                                          machine.put("conda/lib"),
                                          machine.put("venv/lib"),
                                          machine.put("python/lib"),
                                          machine.put("active/" + packages),
                                          machine.put("conda/" + packages),
                                          machine.put("venv/" + packages),
                                          machine.put("python/" + packages)};
  const Variable toolkit("CUDA_HOME", (machine.folder.path() / "cuda").string()),
      active("VIRTUAL_ENV", (machine.folder.path() / "active").string()),
      conda("CONDA_PREFIX", (machine.folder.path() / "conda").string());
  CHECK(library_places(kName) == expected);
}

TEST_CASE("a library is found in the Python that is first on PATH, though nothing else names it", "[shared_library]") {
  Machine machine;
  machine.add_python("opt/python");
  const std::string file = machine.put("opt/python/lib/python3.12/site-packages/nvidia/thing/lib");
  CHECK(library_places(kName) == std::vector<std::string>{kSoname, file});
  CHECK_THROWS_WITH(load_library(kName), Contains("the thing (libnosuchthing.so.7) was not found") &&
                                             Contains("/usr/local/cuda/lib64") &&
                                             Contains((machine.folder.path() / "opt/python").string()) &&
                                             Contains("name its file in FOVEA_NOSUCHTHING; or use the CPU"));
}

TEST_CASE("a library that may not be used is named with its file and the reason, and one behind it is taken",
          "[shared_library]") {
  const LibraryName known{"libm.so.6", "FOVEA_NOSUCHTHING", "the thing"};
  const FoundLibrary taken = find_library(known, [](const LoadedLibrary&) { return ""; });
  CHECK(taken.problem.empty());
  CHECK(taken.loaded.handle != nullptr);
  CHECK(fs::path(taken.loaded.path).is_absolute());
  const auto refuse = [](const LoadedLibrary& loaded) { return loaded.path + " is of 1997"; };
  const FoundLibrary refused = find_library(known, refuse);
  CHECK(refused.loaded.handle == nullptr);
  CHECK_THAT(refused.problem, Contains(taken.loaded.path + " is of 1997"));
  const Variable asked("FOVEA_NOSUCHTHING", taken.loaded.path);
  CHECK_THROWS_WITH(load_library(known, refuse), Contains("FOVEA_NOSUCHTHING names") && Contains("is of 1997"));
}
