// What the program makes of names in any language, and of FOVEA_FONT.
#include "tests/support/checked_run.h"
#include "tests/support/format_files.h"
#include "tests/support/test_data.h"
#include "tests/support/variable.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

const std::string kSquares = test_data("fonts/squares.ttf").string(), kCards = test_data("cards").string();

// Two images with a class of this name.
fs::path dataset(const TemporaryFolder& folder, const std::string& name) {
  const fs::path data = folder.path() / "data";
  write_files(data, {{"train.csv", "a.png,10,50,74,74," + name + "\nb.png,20,40,90,90," + name + "\n"},
                     {"a.png", "image 128x96"},
                     {"b.png", "image 128x96"}});
  return data;
}

int64_t lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

}  // namespace

TEST_CASE("what no font has is told once in a run, with what helps", "[font]") {
  const TemporaryFolder folder;
  const std::string data = dataset(folder, "红cell"), out = (folder.path() / "out").string();
  for (const char* command : {"show", "stats"}) {
    CAPTURE(command);
    const auto without = run({"data", command, data, "--preset", "tiny", "--out", out});
    CHECK(without.exit_code == 0);
    CHECK_THAT(without.err, Contains("no font has: 红; set FOVEA_FONT"));
    CHECK(lines(without.err) == 1);
    const Variable font("FOVEA_FONT", kSquares);
    const auto with = run({"data", command, data, "--preset", "tiny", "--out", out});
    CHECK((with.exit_code == 0 && with.err.empty()));
  }
}

TEST_CASE("names of Europe and Arabia need no font of one's own", "[font]") {
  const TemporaryFolder folder;
  const auto done = run({"data", "show", dataset(folder, "ßüéçñøłбあ").string(), "--preset", "tiny", "--out",
                         (folder.path() / "out").string()});
  CHECK(done.exit_code == 0);
  CHECK_THAT(done.err, Contains("no font has: あ;"));  // of all these, only this one
}

TEST_CASE("fault: a FOVEA_FONT that is none stops whatever draws, before it has done anything", "[font][fault]") {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "out").string();
  const Variable font("FOVEA_FONT", kCards + "/SOURCE.md");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"data", "show", kCards, "--out"},
                                             {"data", "stats", kCards, "--out"},
                                             {"anchors", kCards, "--out"},
                                             {"train", "--preset", "tiny", "--data", kCards, "--out"},
                                             {"detect", kCards + "/train", "--weights", "none.safetensors", "--out"},
                                             {"eval", "--data", kCards, "--detections", "none.json", "--report"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back(out);
    const auto done = run(arguments);
    CHECK(done.exit_code == 2);
    CHECK_THAT(done.err, Catch::StartsWith("fovea: FOVEA_FONT: ") && Contains("SOURCE.md is no font"));
    CHECK(lines(done.err) == 1);
    CHECK_FALSE(fs::exists(out));
  }
  CHECK(run({"info"}).exit_code == 0);  // draws nothing
}
