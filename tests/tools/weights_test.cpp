// `fovea weights list` and `check`. tests/scripts/weights_get_test.py has servers to get from.
#include <regex>
#include <set>
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/pth_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_data.h"
#include "tests/support/weights_file.h"
#include "tools/config/config.h"
#include "tools/weights/known_weights.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// A text whose SHA-256 begins as that of torchvision's wide_resnet101_2.
std::string stands_for_wide_resnet101() {
  std::string text;
  for (int i = 0; i < 16384; ++i) text += "0123456789abcdef";
  return text + fmt::format("{:016x}", 100098337426);
}

struct WeightsBench {
  TemporaryFolder folder;
  std::string file(const std::string& name, const std::string& text) const {
    write_text(folder.path() / name, text);
    return (folder.path() / name).string();
  }
};

std::string one_spaced(const std::string& text) { return std::regex_replace(text, std::regex("\\s+"), " "); }

}  // namespace

TEST_CASE("the list of weights has each once, with settings that make a network and a hash in its file's name",
          "[weights]") {
  std::set<std::string> names, files, hashes;
  for (const KnownWeights& known : known_weights()) {
    CAPTURE(known.name);
    CHECK((names.insert(known.name).second && files.insert(known.file).second));
    CHECK(hashes.insert(std::string(known.hash())).second);
    CHECK(known.hash().size() == 8);
    CHECK(hash_in_name(known.file) == std::string(known.hash()));
    CHECK(&find_weights(known.name) == &known);
    CHECK(&find_weights(known.file) == &known);
    Config config = preset(known.preset);
    std::istringstream settings(known.settings);
    for (std::string setting; settings >> setting;) apply_setting(config, setting);
    CHECK_NOTHROW(validate(config));
  }
}

TEST_CASE("a hash in a name is of eight digits and more behind the last hyphen, before .pth or .pt", "[weights]") {
  CHECK(hash_in_name("my-net-0123abcd.pth") == "0123abcd");
  CHECK(hash_in_name("a-0123456789abcdef.pt") == "0123456789abcdef");
  for (const char* none : {"", "a.pth", "0123abcd.pth", "a-0123abc.pth", "a-0123abcg.pth", "a-0123ABCD.pth",
                           "a-0123abcd.safetensors", "a-0123abcd", "a-.pth"})
    CHECK_FALSE(hash_in_name(none));
}

TEST_CASE("docs/weights.md has the table that `fovea weights list` prints, and the settings of each", "[weights]") {
  const std::string docs = read_text(fs::path(FOVEA_SOURCE_DIR) / "docs/weights.md");
  const std::string list = run({"weights", "list"}).out;
  CHECK_THAT(docs, Contains("```\n" + list.substr(0, list.find("\n\n")) + "\n```\n"));
  CHECK_THAT(docs, Contains(kWeightsUrl));
  const std::string spaced = one_spaced(docs);
  const auto known = known_weights();
  for (size_t i = 0; i < known.size();) {
    const std::string network =
        fmt::format("--preset {}{}{}", known[i].preset, *known[i].settings != '\0' ? " --set " : "", known[i].settings);
    std::string names;
    const size_t first = i;
    for (; i < known.size() &&
           std::string(known[i].preset) + known[i].settings == std::string(known[first].preset) + known[first].settings;
         ++i)
      names += fmt::format("{}`{}`", names.empty() ? "" : ", ", known[i].name);
    CHECK_THAT(spaced, Contains("- " + names + ": `" + network + "`"));
  }
}

TEST_CASE("weights list describes one, and all as JSON", "[weights]") {
  const auto one = run({"weights", "list", "inception_v3"});
  CHECK_THAT(one.out, Contains("https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth\n") &&
                          Contains("--init-from inception_v3_google-0cc3c7bd.pth --preset inception\n") &&
                          Contains(kWeightsLicense));
  CHECK_THAT(run({"weights", "list", "retinanet_resnet50_fpn"}).out,
             Contains("fovea detect photo.jpg --out FOUND --weights retinanet_resnet50_fpn_coco-eeacb38b.pth"));
  const std::string json = run({"weights", "list", "--json"}).out;
  for (const KnownWeights& known : known_weights())
    CHECK_THAT(json, Contains(fmt::format("\"file\": \"{}\"", known.file)));
  check_fails(2, {"weights", "list", "resnet5O"}, "no known weights 'resnet5O'; did you mean 'resnet50'?");
}

TEST_CASE("weights check knows known weights by their content, and others by the hash in their name", "[weights]") {
  const WeightsBench bench;
  const std::string content = stands_for_wide_resnet101();
  for (const char* name : {"wide_resnet101_2-32ee1156.pth", "renamed.pth"}) {
    const auto known = run({"weights", "check", bench.file(name, content)});
    CHECK(known.exit_code == 0);
    CHECK_THAT(known.out, Contains(": is wide_resnet101_2, as published: SHA-256 32ee1156da793a88"));
  }
  check_fails(3, {"weights", "check", bench.file("resnet18-f37072fd.pth", content)},
              "its SHA-256 begins with 32ee1156, not with f37072fd: it is wide_resnet101_2 "
              "(wide_resnet101_2-32ee1156.pth)");
  const std::string weights = read_text(write_weights(bench.folder.path() / "w.safetensors"));
  const auto own = run({"weights", "check", bench.file("own.pth", weights)});
  CHECK(own.exit_code == 0);
  CHECK_THAT(own.out, Contains(": is not in the list, so nothing is known of what it should be: SHA-256 "));
  const std::string hash = own.out.substr(own.out.find("SHA-256 ") + 8, 64);
  CHECK_THAT(run({"weights", "check", bench.file("own-" + hash.substr(0, 10) + ".pth", weights)}).out,
             Contains("own-" + hash.substr(0, 10) + ".pth: is what its name says: SHA-256 " + hash));
  check_fails(3, {"weights", "check", bench.file("own-0123abcd.pth", weights)},
              "not with 0123abcd: the file was changed, or is another one");
}

TEST_CASE("weights check says what came in place of a file", "[weights]") {
  const WeightsBench bench;
  const std::string weights = write_weights(bench.folder.path() / "w.safetensors");
  write_pth(bench.folder.path() / "w.pth", SafetensorsFile(weights).tensors(), [](auto& name) { return name; });
  const std::string whole = read_text(bench.folder.path() / "w.pth"), name = "resnet18-f37072fd.pth";
  const auto fails = [&](const std::string& text, const std::string& words) {
    check_fails(3, {"weights", "check", bench.file(name, text)}, words);
  };
  fails(whole.substr(0, whole.size() / 2), "MiB: it was cut off");
  fails("<!DOCTYPE html><html>Not found</html>", "has 0.0 of 44.7 MiB and is a web page");
  fails("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a pointer of Git LFS");
  fails("", "has 0.0 of 44.7 MiB and is empty");
  check_fails(3, {"weights", "check", bench.file("own.pth", "<html>Not found</html>")}, "own.pth: is a web page");
  check_fails(3, {"weights", "check", (bench.folder.path() / "none.pth").string()}, "no such file");
}

TEST_CASE("weights check goes on after a file that is wrong, and ends with code 3", "[weights]") {
  const WeightsBench bench;
  const std::string wrong = bench.file("resnet18-f37072fd.pth", "<html>"),
                    right = bench.file("right.pth", stands_for_wide_resnet101());
  const auto result = run({"weights", "check", wrong, right});
  CHECK(result.exit_code == 3);
  CHECK_THAT(result.out, Contains("right.pth: is wide_resnet101_2"));
  CHECK_THAT(result.err, Contains("1 of 2 files are not what they should be:\n  " + wrong));
}

TEST_CASE("weights get knows its names and addresses before it asks anybody", "[weights]") {
  check_fails(2, {"weights", "get", "resnet18", "vgg_16"}, "no known weights 'vgg_16'; did you mean 'vgg16'?");
  check_fails(2, {"weights", "get", "resnet18", "--mirror", "ftp://host"}, "'ftp://host' is no address of weights");
}
