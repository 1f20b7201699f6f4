// What lies in the folders of a dataset, by the names that other systems write.
#include "tools/data/formats/folder.h"

#include <fmt/ranges.h>

#include "tests/support/catch.h"
#include "tests/support/format_files.h"
#include "tests/support/temporary_folder.h"
#include "tools/data/formats/file_finder.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

std::string text(PassedOver& passed) { return fmt::format("{}", fmt::join(passed.news(), "\n")); }

}  // namespace

TEST_CASE("folder: hidden files and folders are passed over and counted once", "[data]") {
  const TemporaryFolder folder;
  write_files(folder.path(), {{"a.xml", ""},
                              {"._a.xml", ""},
                              {".DS_Store", ""},
                              {"in/b.xml", ""},
                              {"in/._b.xml", ""},
                              {"in/.ipynb_checkpoints/b-checkpoint.xml", ""},
                              {"__MACOSX/a.xml", ""},
                              {"lost+found/a.xml", ""},
                              {".git/config.xml", ""}});
  PassedOver hidden;
  CHECK(files_in(folder.path(), &hidden) == Names{"a.xml"});
  CHECK_THAT(text(hidden), Contains("3 hidden files and folders are passed over; the first: ") && Contains("._a.xml"));
  CHECK(hidden.news().empty());
  CHECK(files_below(folder.path(), &hidden) == Names{"a.xml", "in/b.xml"});
  CHECK_THAT(text(hidden), Contains("2 hidden") && Contains("in/._b.xml"));
  CHECK(folders_in(folder.path()) == Names{"in"});
  CHECK_FALSE(any_file_below(folder.path() / "in" / ".ipynb_checkpoints" / "..", ".json", true));
  write_files(folder.path(), {{"other/._c.txt", ""}, {"other/.x/c.txt", ""}});
  CHECK_FALSE(any_file_below(folder.path(), ".txt", true));
}

TEST_CASE("folder: a link to a file that is gone is listed, so that it counts as a file that cannot be read",
          "[data]") {
  const TemporaryFolder folder;
  write_files(folder.path(), {{"a.png", ""}, {"in/b.png", ""}});
  fs::create_symlink(folder.path() / "gone.png", folder.path() / "c.png");
  CHECK(files_in(folder.path()) == Names{"a.png", "c.png"});
  CHECK(files_below(folder.path()) == Names{"a.png", "c.png", "in/b.png"});
}

TEST_CASE("folder: links to folders are followed, and no folder is walked through twice", "[data]") {
  const TemporaryFolder folder;
  const fs::path set = folder.path() / "set";
  write_files(folder.path(), {{"set/a/1.txt", ""}, {"set/b/c/2.txt", ""}, {"elsewhere/d/3.txt", ""}});
  fs::create_directory_symlink("..", set / "a/loop");
  fs::create_directory_symlink(".", set / "self");
  fs::create_directory_symlink(folder.path(), set / "above");
  fs::create_directory_symlink("a", set / "Another");  // before its target in the alphabet
  fs::create_directory_symlink("../elsewhere", set / "out");
  fs::create_directory_symlink("../elsewhere", set / "out2");
  fs::create_directory_symlink("../set", folder.path() / "elsewhere/back");
  fs::create_directory_symlink("nowhere", set / "broken");
  PassedOver passed;
  CHECK(files_below(set, &passed) == Names{"a/1.txt", "b/c/2.txt", "broken", "out/d/3.txt"});
  CHECK_THAT(text(passed), Contains("6 links to folders that are read anyway, or that hold the link, are passed over; "
                                    "the first: ") &&
                               Contains("set/Another"));
  CHECK(files_below(set / "a/loop/a") == Names{"1.txt"});  // the same set by a longer name
  CHECK(folders_in(set) == Names{"Another", "a", "b", "out", "out2"});
  CHECK_FALSE(any_file_below(set, ".json", true));
}

TEST_CASE("folder: a split is found whatever the case and the word for it", "[data]") {
  const auto find = [](const Names& splits, const std::string& wanted) {
    return find_split(splits, wanted).value_or("-");
  };
  CHECK(find({"Train", "Validation"}, "train") == "Train");
  CHECK(find({"Train", "Validation"}, "val") == "Validation");
  for (const char* name : {"valid", "VAL", "Validation", "val2017", "Valid_2"})
    CHECK(find({"train", name}, "val") == name);
  for (const char* name : {"training", "TRAIN", "train2017", "Train_v2"}) CHECK(find({name, "val"}, "train") == name);
  CHECK(find({"Testing"}, "test") == "Testing");
  CHECK(find({"val", "validation", "Val"}, "val") == "val");
  CHECK(find({"valid", "val_small"}, "validation") == "valid");
  CHECK(find({"train2014", "train2017"}, "train") == "-");
  CHECK(find({"Val", "VAL"}, "val") == "-");
  CHECK(find({"trainval", "TrainVal"}, "train") == "-");
  CHECK(find({"fold1", "Fold2"}, "fold2") == "Fold2");
}

TEST_CASE("folder: files are found by names of other systems, and what was changed is said once", "[data]") {
  const TemporaryFolder folder;
  write_files(folder.path(), {{"Images/a.JPG", ""},
                              {"Images/b.jpg", ""},
                              {"Images/B.JPG", ""},
                              {"Images/caf\u00e9.jpg", ""},
                              {"Images/mu\u0308ll \u1112\u1161\u11ab.jpg", ""}});
  FileFinder finder(folder.path());
  CHECK(finder.find("Images/a.JPG") == "Images/a.JPG");
  CHECK(finder.find("./Images//a.JPG") == "Images/a.JPG");
  CHECK(finder.warnings("x").empty());
  CHECK(finder.find("Images\\a.JPG") == "Images/a.JPG");
  CHECK(finder.find(".\\Images\\b.jpg") == "Images/b.jpg");
  CHECK(finder.find("images/A.jpg") == "Images/a.JPG");
  CHECK(finder.find("Images/cafe\u0301.jpg") == "Images/caf\u00e9.jpg");
  CHECK(finder.find("Images/m\u00fcll \ud55c.jpg") == "Images/mu\u0308ll \u1112\u1161\u11ab.jpg");
  CHECK_FALSE(finder.find("Images/b.JPG"));  // b.jpg or B.JPG?
  for (const char* none : {"", "c.jpg", "../a.jpg", "/etc/passwd", "Images/a.JPG/x", "caf\xE9"})
    CHECK_FALSE(finder.find(none));
  const auto warnings = finder.warnings("set");
  REQUIRE(warnings.size() == 3);
  CHECK_THAT(warnings[0], Contains("set: 2 names hold backslashes, which are taken as /; the first: Images/a.JPG"));
  CHECK_THAT(warnings[1], Contains("set: 2 names have another form of"));
  CHECK_THAT(warnings[2], Contains("set: 1 names differ from their files in letter case"));
  CHECK_THAT(hint_about("a\\b"), Contains("holds backslashes: write /"));
  CHECK(hint_about("a/b").empty());
}

TEST_CASE("folder: where whole paths are not here, the last part that is there is taken, for one name each", "[data]") {
  const TemporaryFolder folder;
  write_files(folder.path(), {{"a.jpg", ""}, {"x/b.jpg", ""}, {"my pic.jpg", ""}});
  FileFinder finder(folder.path(), true);
  CHECK(finder.find("/data/upload/1/a.jpg") == "a.jpg");
  CHECK_FALSE(finder.find("/data/upload/2/a.jpg"));  // another image of that name
  CHECK(finder.find("C:\\work\\x\\b.jpg") == "x/b.jpg");
  CHECK(finder.find("../../images/x/b.jpg") == std::nullopt);
  CHECK(finder.find("/data/local-files/?d=pics%2Fmy%20pic.jpg") == "my pic.jpg");
  CHECK_FALSE(FileFinder(folder.path()).find("/data/upload/1/a.jpg"));
  CHECK(FileFinder(folder.path(), true).find("https://host.example/bucket/a.jpg?X=1") == "a.jpg");
  REQUIRE(finder.warnings("set").size() == 1);
  CHECK_THAT(finder.warnings("set")[0], Contains("set: 3 names are paths that are not here"));
}
