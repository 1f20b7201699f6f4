// The program's commands and options as its --help prints them.
#pragma once
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace fovea::test {

struct HelpText {
  std::vector<std::string> path;  // {"data", "check"}; of the program itself: {}
  std::string text;
  std::vector<std::string> options, commands;  // "--json"; "check"
};

inline HelpText help_of(const std::vector<std::string>& path) {
  std::vector<std::string> arguments = path;
  arguments.emplace_back("--help");
  HelpText help{path, run_fovea(arguments).out, {}, {}};
  const std::regex option("^  (-h,)?(--[a-z-]+).*"), command("^  ([a-z]+) +[A-Z].*");
  std::istringstream lines(help.text);
  bool in_commands = false;
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with(":")) in_commands = line == "Subcommands:";
    if (std::regex_match(line, match, option)) help.options.push_back(match[2]);
    if (in_commands && std::regex_match(line, match, command)) help.commands.push_back(match[1]);
  }
  return help;
}

// Of the program and of all its commands.
inline std::vector<HelpText> all_helps(const std::vector<std::string>& path = {}) {
  std::vector<HelpText> all{help_of(path)};
  const std::vector<std::string> commands = all[0].commands;
  for (const std::string& command : commands) {
    std::vector<std::string> below = path;
    below.push_back(command);
    for (HelpText& help : all_helps(below)) all.push_back(std::move(help));
  }
  return all;
}

}  // namespace fovea::test
