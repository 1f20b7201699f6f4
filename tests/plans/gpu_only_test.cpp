// docs/only-on-a-gpu.md lists what no test without a GPU reaches: that it is whole, and not out of date.
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/catch.h"

namespace {

std::string content(const std::string& file) {
  std::ifstream in(FOVEA_SOURCE_DIR "/" + file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The functions that stand in the list, by file.
std::map<std::string, std::set<std::string>> listed() {
  std::map<std::string, std::set<std::string>> functions;
  const std::string list = content("docs/only-on-a-gpu.md");
  const std::regex row(R"(\| `([^`]+)` \| `([^`]+)` \|)");
  for (std::sregex_iterator i(list.begin(), list.end(), row), end; i != end; ++i) functions[(*i)[1]].insert((*i)[2]);
  return functions;
}

// The functions that a file of the project defines outside of classes: their definitions begin a line.
std::set<std::string> defined(const std::string& file) {
  std::set<std::string> functions;
  const std::string text = content(file);
  const std::regex definition(R"((?:^|\n)[A-Za-z][\w:<>*& ]*[ *&](\w+)\([^;{}]*\) (?:const )?\{)");
  for (std::sregex_iterator i(text.begin(), text.end(), definition), end; i != end; ++i) functions.insert((*i)[1]);
  return functions;
}

}  // namespace

TEST_CASE("plan: the list of what only a GPU runs has every function of the runtimes, and no other", "[plans]") {
  const auto functions = listed();
  for (const char* runtime : {"kernels/conv/cuda/cudnn_runtime.cpp", "kernels/conv/cuda/cublaslt_runtime.cpp"}) {
    CAPTURE(runtime);
    REQUIRE(functions.count(runtime) == 1);
    CHECK(functions.at(runtime) == defined(runtime));
  }
  for (const auto& [file, names] : functions)
    for (const std::string& name : names) {
      CAPTURE(file, name);
      CHECK(content(file).find(name + "(") != std::string::npos);
    }
}
