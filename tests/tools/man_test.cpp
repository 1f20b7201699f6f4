// The pages of `fovea man`, and what they say of exit codes and environment variables.
#include <filesystem>
#include <regex>
#include <set>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/help_text.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_data.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

std::string page_of(std::vector<std::string> path) {
  path.insert(path.begin(), "man");
  const auto result = run(path);
  REQUIRE(result.exit_code == 0);
  return result.out;
}

// As troff prints it, near enough.
std::string plain(std::string page) {
  for (const auto& [escape, text] :
       {std::pair{"\\\\-", "-"}, {"\\\\\\(aq", "'"}, {"\\\\\\(ga", "`"}, {"\\\\f[BIR]", ""}, {"\\\\&", ""}})
    page = std::regex_replace(page, std::regex(escape), text);
  return page;
}

// Whether a program that finds faults in pages is there (scripts/setup installs none), and what it finds in all of
// them.
bool has(const std::string& program) { return std::system(("command -v " + program + " >/dev/null").c_str()) == 0; }
std::string faults(const std::string& check) {
  const TemporaryFolder folder;
  return run({"man", "--out", folder.path().string()},
             "\"$0\" \"$@\" && cd \"$3\" && for page in *.1; do " + check + " 2>&1; done")
      .out;
}

}  // namespace

TEST_CASE("the manual pages name every command, every option and every example of --help", "[man]") {
  for (const HelpText& help : all_helps()) {
    const std::string page = plain(page_of(help.path));
    for (const char* section :
         {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"})
      CHECK_THAT(page, Contains(std::string("\n.SH ") + section + "\n"));
    for (const std::string& option : help.options) {
      const std::regex entry("\n\\.TP\n(-h, )?" + option + "[ \n]");
      CAPTURE(option);
      CHECK(std::regex_search(page, entry));
    }
    for (const std::string& command : help.commands) CHECK_THAT(page, Contains("-" + command + "(1)\n"));
    const size_t example = help.text.find("Example");
    REQUIRE(example != std::string::npos);
    CHECK_THAT(page, Contains(help.text.substr(help.text.find('\n', example) + 1, help.text.size()).substr(0, 40)));
  }
}

TEST_CASE("the manual pages are troff without a fault, as groff finds them", "[man]") {
  if (!has("groff")) FOVEA_END_AS_SKIPPED("this test cannot run here: there is no groff");
  CHECK(faults("groff -man -ww -z -Tutf8 $page") == "");
}

TEST_CASE("the manual pages are troff without a fault, as mandoc finds them", "[man]") {
  if (!has("mandoc")) FOVEA_END_AS_SKIPPED("this test cannot run here: there is no mandoc");
  CHECK(faults("mandoc -Tlint $page") == "");
}

TEST_CASE("man writes all pages into a folder, and answers an unknown command with a near one", "[man]") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "share/man1";
  check_runs({"man", "--out", out.string()});
  for (const HelpText& help : all_helps()) {
    std::string name = "fovea";
    for (const std::string& word : help.path) name += "-" + word;
    CAPTURE(name);
    CHECK(read_text(out / (name + ".1")) == page_of(help.path));
  }
  check_fails(2, {"man", "data", "chekc"}, "there is no command 'data chekc'; did you mean 'data check'?");
}

TEST_CASE("the manual page lists every environment variable that the code reads", "[man]") {
  const std::string page = plain(page_of({}));
  const std::regex read(
      R"re((?:getenv|environment|variable|number|envname|tcp|by_mpi)\((?:"([A-Z_]+)"(?:, "([A-Z_]+)")?)|"(FOVEA_[A-Z_]+)")re");
  std::set<std::string> variables;
  for (const char* layer : {"kernels", "engine", "model", "tools"})
    for (const auto& file : fs::recursive_directory_iterator(fs::path(FOVEA_SOURCE_DIR) / layer)) {
      if (!file.is_regular_file() || file.path().filename() == "reference.h") continue;
      const std::string code = read_text(file.path());
      for (std::sregex_iterator match(code.begin(), code.end(), read), end; match != end; ++match)
        for (const int group : {1, 2, 3})
          if ((*match)[group].matched) variables.insert((*match)[group]);
    }
  for (const char* known : {"FOVEA_SET", "FOVEA_NCCL", "WORLD_SIZE", "TERM", "CUDA_VISIBLE_DEVICES"})
    CHECK(variables.count(known) == 1);
  for (const std::string& variable : variables) {
    CAPTURE(variable);
    CHECK(std::regex_search(page, std::regex("[\n (]" + variable + "[\n ,;)]")));
  }
}

TEST_CASE("the manual page and the README list every exit code", "[man]") {
  const std::string page = plain(page_of({})), readme = read_text(fs::path(FOVEA_SOURCE_DIR) / "README.md");
  for (const ErrorKind kind : {ErrorKind::Runtime, ErrorKind::Usage, ErrorKind::Data, ErrorKind::Diverged,
                               ErrorKind::OutOfMemory, ErrorKind::Interrupted}) {
    const std::string code = std::to_string(static_cast<int>(kind));
    CHECK_THAT(page, Contains("\n.TP\n" + code + "\n"));
    CHECK_THAT(readme, Contains(", " + code + " "));
  }
}

TEST_CASE("the docs name every command", "[man]") {
  std::string docs = read_text(fs::path(FOVEA_SOURCE_DIR) / "README.md");
  for (const auto& page : fs::directory_iterator(fs::path(FOVEA_SOURCE_DIR) / "docs"))
    if (page.path().extension() == ".md") docs += read_text(page.path());
  for (const HelpText& help : all_helps()) {
    std::string name = "fovea";
    for (const std::string& word : help.path) name += " " + word;
    CAPTURE(name);
    CHECK_THAT(docs, Contains(name));
  }
}
