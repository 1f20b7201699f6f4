// The program's commands and options as CLI11 holds them, in the words that completion scripts and man pages are made
// of.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace fovea {

// An option, or an argument that its place names.
struct OptionWords {
  enum class Takes : uint8_t { Nothing, Text, Words, Setting, File, Folder };

  std::vector<std::string> names;  // "-h", "--help"; of an argument its one name: "images"
  std::string description;
  std::string value;     // as --help calls it: "FILE", "{cpu,cuda,auto}"; empty: it takes none
  std::string standard;  // what it is where it is not given; may be empty
  Takes takes = Takes::Nothing;
  std::vector<std::string> words;  // to choose from
  bool many = false, required = false;
};

struct CommandWords {
  std::string name;  // "fovea data check"
  std::string description, footer;
  std::vector<OptionWords> options, arguments;
  std::vector<CommandWords> commands;  // below it
};

// Of the command's name: "check".
std::string last_word(const CommandWords& command);

CommandWords command_tree(const CLI::App& app);
// The tree's commands, one after the other, the program first.
std::vector<const CommandWords*> all_commands(const CommandWords& program);

}  // namespace fovea
