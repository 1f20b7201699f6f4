// The scripts of `fovea completion`: bash's as bash runs it (tests/scripts/completion_test.py presses keys in all
// shells).
#include <algorithm>
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/help_text.h"
#include "tests/support/process.h"
#include "tools/config/config.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

using Words = std::vector<std::string>;

// What bash offers for the last of the words, as readline breaks them; a call of compopt too, as a line of its own.
Words offered(const Words& words, const std::string& breaks = " =:") {
  const auto result = run_fovea(words,
                                "exec bash --norc -c '"
                                "source <(\"$0\" completion bash)\n"
                                "compopt() { echo \"compopt $*\"; }\n"
                                "COMP_WORDBREAKS=\"" +
                                    breaks +
                                    "\" COMP_WORDS=(fovea \"$@\") COMP_CWORD=$#\n"
                                    "_fovea\n"
                                    "printf \"%s\\n\" \"${COMPREPLY[@]}\"' \"$0\" \"$@\"");
  CAPTURE(result.err);
  REQUIRE((result.exit_code == 0 && result.err.empty()));
  std::istringstream lines(result.out);
  Words found;
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) found.push_back(line);
  return found;
}

std::string join(const Words& words, const std::string& between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

}  // namespace

TEST_CASE("bash offers every command and every option that --help lists", "[completion]") {
  const auto helps = all_helps();
  REQUIRE(helps.size() > 10);
  for (const HelpText& help : helps) {
    CAPTURE(help.path);
    Words words = help.path;
    words.emplace_back("--");
    const Words options = offered(words);
    CHECK(options == help.options);
    words.back() = "";
    if (!help.commands.empty()) CHECK(offered(words) == help.commands);
  }
}

TEST_CASE("zsh and fish are told of every command and every option", "[completion]") {
  const std::string zsh = run_fovea({"completion", "zsh"}).out, fish = run_fovea({"completion", "fish"}).out;
  for (const HelpText& help : all_helps()) {
    const std::string function = join({"\n_fovea", join(help.path, "_")}, help.path.empty() ? "" : "_") + "() {";
    const size_t begin = zsh.find(function), end = zsh.find("\n}\n", begin);
    CAPTURE(function);
    REQUIRE(begin != std::string::npos);
    const std::string own = zsh.substr(begin, end - begin);
    const std::string at = "-n '__fovea_at fovea" + (help.path.empty() ? "" : " " + join(help.path, " ")) + "' ";
    for (const std::string& option : help.options) {
      CAPTURE(option);
      CHECK((own.find(option + "[") != std::string::npos || own.find(option + "=[") != std::string::npos));
      const size_t line = fish.find(at + (option == "--help" ? "-s h " : "") + "-l " + option.substr(2) + " ");
      CHECK(line != std::string::npos);
    }
    for (const std::string& command : help.commands) {
      CHECK_THAT(own, Contains("'" + command + ":"));
      CHECK_THAT(fish, Contains(at + "-a " + command + " "));
    }
  }
}

TEST_CASE("bash offers the values of options, in words and behind =", "[completion]") {
  CHECK(offered({"eval", "--device", ""}) == Words{"cpu", "cuda", "auto"});
  CHECK(offered({"eval", "--device", "c"}) == Words{"cpu", "cuda"});
  CHECK(offered({"eval", "--device", "="}) == Words{"cpu", "cuda", "auto"});
  CHECK(offered({"eval", "--device", "=", "cu"}) == Words{"cuda"});
  CHECK(offered({"eval", "--device=cu"}, " ") == Words{"--device=cuda"});
  CHECK(offered({"train", "--preset", ""}) == preset_names());
  CHECK(offered({"data", "show", "DIR", "--split", ""}) == Words{"train", "val", "test"});
  CHECK(offered({"data", "convert", "DIR", "--to", "c"}) == Words{"coco", "csv"});
  CHECK(offered({"completion", ""}) == Words{"bash", "zsh", "fish"});
  CHECK(offered({"man", "data", "ch"}) == Words{"check"});
  CHECK(offered({"eval", "--score", ""}).empty());
}

TEST_CASE("bash knows where an option's values end, and a command from a value of its name", "[completion]") {
  CHECK(offered({"eval", "--device", "cpu", "--split", "v"}) == Words{"val"});
  CHECK(offered({"eval", "--data", "train", "--spl"}) == Words{"--split"});
  CHECK(offered({"eval", "--device", "=", "cpu", "--voc", "--spl"}) == Words{"--split"});
  CHECK(offered({"train", "--set", "train.steps", "=", "1", "train.schedule.ba"}) ==
        Words{"compopt -o nospace", "train.schedule.base="});
  CHECK(offered({"train", "--set", "train.steps", "=", "1", "--res"}) == Words{"--resume"});
  CHECK(offered({"eval", "--areas", "small", "=", "0", ":", "4", "--voc", "--spl"}) == Words{"--split"});
}

TEST_CASE("bash offers every setting, and the values of those that are words", "[completion]") {
  Words keys{"compopt -o nospace"};
  for (const SettingName& setting : setting_names()) keys.push_back(setting.key + "=");
  CHECK(keys.size() > 80);
  CHECK(offered({"train", "--set", ""}) == keys);
  CHECK(offered({"train", "--set", "train.optimizer.kind", "="}) == Words{"sgd", "adamw"});
  CHECK(offered({"train", "--set", "train.optimizer.kind", "=", "s"}) == Words{"sgd"});
  CHECK(offered({"train", "--set", "=", "train.optimizer.kind", "=", "s"}) == Words{"sgd"});
  CHECK(offered({"train", "--set", "autotune", "=", "1", ""}) == keys);
  CHECK(offered({"train", "--set", "autotune", "="}) == Words{"true", "false"});
  CHECK(offered({"train", "--set", "train.steps", "="}).empty());
}

TEST_CASE("bash completes files and folders itself where they are taken", "[completion]") {
  const Words file{"compopt -o default"}, folder{"compopt -o dirnames"};
  CHECK(offered({"eval", "--weights", "x"}) == file);
  CHECK(offered({"eval", "--weights", "=", "x"}) == file);
  CHECK(offered({"eval", "--data", ""}) == folder);
  CHECK(offered({"detect", "a.jpg", ""}) == file);
  CHECK(offered({"detect", "--weights", "w", ""}) == file);
  CHECK(offered({"data", "convert", "IN", "--clip", ""}) == folder);
  CHECK(offered({"data", "convert", "IN", "OUT", ""}).empty());
  CHECK(offered({"doctor", ""}).empty());
}

TEST_CASE("the settings that completion names can be set", "[completion]") {
  for (const SettingName& setting : setting_names()) {
    CAPTURE(setting.key);
    for (const std::string& value : setting.values) {
      Config config;
      CHECK_NOTHROW(apply_setting(config, setting.key + "=" + value));
    }
    Config config;
    CHECK_THROWS_WITH(apply_setting(config, setting.key + "={x = 1}"), Contains("unknown setting"));
    CHECK_THAT(to_toml(config), Contains(setting.key.substr(setting.key.rfind('.') + 1) + " = "));
  }
}

TEST_CASE("help says of every value what it is", "[completion]") {
  for (const HelpText& help : all_helps()) {
    CAPTURE(help.path);
    CHECK_THAT(help.text, !Contains(" TEXT"));
  }
}

TEST_CASE("completion says which shells there are, and how to install their scripts", "[completion]") {
  const auto none = run_fovea({"completion"});
  CHECK(none.exit_code == 2);
  CHECK(none.err == "fovea: completion needs a shell: bash, zsh or fish; see fovea completion --help\n");
  const auto other = run_fovea({"completion", "tcsh"});
  CHECK(other.exit_code == 2);
  CHECK_THAT(other.err, Contains("tcsh"));
  const std::string help = help_of({"completion"}).text;
  for (const char* shell : {"bash", "zsh", "fish"})
    CHECK_THAT(help, Contains(std::string("fovea completion ") + shell + " > ~/"));
}
