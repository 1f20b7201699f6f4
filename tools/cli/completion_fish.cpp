#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/cli/completion.h"
#include "tools/config/config.h"

namespace fovea {
namespace {

std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// Where `complete` finds values.
std::string fish_values(const OptionWords& option) {
  switch (option.takes) {
    case OptionWords::Takes::Words:
      return fmt::format(" -a '{}'", fmt::join(option.words, " "));
    case OptionWords::Takes::Setting:
      return " -a '(__fovea_settings)'";
    case OptionWords::Takes::File:
      return " -F";
    case OptionWords::Takes::Folder:
      return " -a '(__fish_complete_directories)'";
    case OptionWords::Takes::Nothing:
    case OptionWords::Takes::Text:
      break;
  }
  return "";
}

// Whether an option takes a value, and whether that is a file unless `complete` says else.
const char* fish_need(const OptionWords& option) {
  if (option.takes == OptionWords::Takes::Nothing) return "";
  return option.takes == OptionWords::Takes::File ? " -r" : " -x";
}

std::string fish_lines(const CommandWords& command) {
  std::string text;
  const std::string at = fmt::format("complete -c fovea -n {}", fish_quoted("__fovea_at " + command.name));
  for (const CommandWords& below : command.commands)
    text += fmt::format("{} -a {} -d {}\n", at, last_word(below), fish_quoted(below.description));
  for (const OptionWords& argument : command.arguments)
    if (const std::string values = fish_values(argument); !values.empty()) text += at + values + "\n";
  for (const OptionWords& option : command.options) {
    text += at;
    for (const std::string& name : option.names)
      text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    text += fmt::format("{}{} -d {}\n", fish_need(option), fish_values(option), fish_quoted(option.description));
  }
  return text;
}

std::string fish_settings() {
  std::string keys, values;
  for (const SettingName& setting : setting_names()) {
    keys += fmt::format(" \\\n                {}=", setting.key);
    if (!setting.values.empty())
      values += fmt::format("        case '*{0}=*'\n            printf '%s\\n' {0}={1}\n", setting.key,
                            fmt::join(setting.values, " " + setting.key + "="));
  }
  return fmt::format(R"(
function __fovea_settings
    switch (commandline -ct)
{}        case '*'
            printf '%s\n'{}
    end
end
)",
                     values, keys);
}

}  // namespace

std::string fish_completion(const CommandWords& program) {
  std::string commands, lines;
  for (const CommandWords* command : all_commands(program)) {
    if (command != &program) commands += fmt::format(" {}", fish_quoted(command->name));
    lines += fish_lines(*command);
  }
  return fmt::format(R"(# Completion of fovea in fish, written by `fovea completion fish`.

# Whether the command line so far is that of this command.
function __fovea_at
    set -l command fovea
    for word in (commandline -opc)[2..]
        string match -q -- '-*' $word; and continue
        contains -- "$command $word"{}; or break
        set command "$command $word"
    end
    test "$command" = "$argv"
end
)",
                     commands) +
         fish_settings() + "\ncomplete -c fovea -f\n" + lines;
}

}  // namespace fovea
