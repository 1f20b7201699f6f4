#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/cli/completion.h"
#include "tools/config/config.h"

namespace fovea {
namespace {

std::string with_backslashes(const std::string& text, std::string_view before) {
  std::string out;
  for (const char c : text) {
    if (before.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string function_of(const CommandWords& command) {
  std::string name = "_" + command.name;
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
}

// ":MESSAGE:ACTION" of _arguments; empty where nothing is taken.
std::string zsh_value(const OptionWords& option, const std::string& message) {
  std::string action;
  switch (option.takes) {
    case OptionWords::Takes::Nothing:
      return "";
    case OptionWords::Takes::Words:
      action = fmt::format("({})", fmt::join(option.words, " "));
      break;
    case OptionWords::Takes::Setting:
      action = "_fovea_setting";
      break;
    case OptionWords::Takes::File:
      action = "_files";
      break;
    case OptionWords::Takes::Folder:
      action = "_files -/";
      break;
    case OptionWords::Takes::Text:
      break;
  }
  return fmt::format(":{}:{}", with_backslashes(message, "\\:"), action);
}

std::string zsh_option(const OptionWords& option) {
  std::string text;
  const std::string description = fmt::format("[{}]", with_backslashes(option.description, "\\[]"));
  for (const std::string& name : option.names) {
    const std::string value = zsh_value(option, option.takes == OptionWords::Takes::Words ? name : option.value);
    // Of an option with many values the first is completed: behind it _arguments would take no option again.
    const std::string spec =
        fmt::format("{}{}{}{}{}", option.many ? "*" : "", name, value.empty() ? "" : "=", description, value);
    const bool alone = name == "--help" || name == "-h" || name == "--version";
    text += fmt::format(" \\\n    {}", shell_quoted((alone ? "(- *)" : "") + spec));
  }
  return text;
}

std::string zsh_function(const CommandWords& command) {
  std::string text = fmt::format("\n{}() {{\n", function_of(command)), options, described, calls;
  for (const OptionWords& option : command.options) options += zsh_option(option);
  if (command.commands.empty()) {
    for (size_t i = 0; i < command.arguments.size(); ++i) {
      const OptionWords& argument = command.arguments[i];
      const std::string place = argument.many ? "*" : std::to_string(i + 1);
      options += fmt::format(" \\\n    {}", shell_quoted(place + zsh_value(argument, argument.names[0])));
    }
    return text + fmt::format("  _arguments{}\n}}\n", options);
  }
  for (const CommandWords& below : command.commands) {
    const std::string name = last_word(below);
    described += fmt::format("        {}\n", shell_quoted(name + ":" + with_backslashes(below.description, "\\:")));
    calls += fmt::format("        {}) {} ;;\n", name, function_of(below));
  }
  return text + fmt::format(R"(  local curcontext=$curcontext state line
  local -A opt_args
  local -a commands
  _arguments -C{} \
    '1:command:->command' \
    '*::argument:->argument'
  case $state in
    command)
      commands=(
{}      )
      _describe command commands
      ;;
    argument)
      case $line[1] in
{}      esac
      ;;
  esac
}}
)",
                            options, described, calls);
}

std::string zsh_settings() {
  std::string keys, values;
  for (const SettingName& setting : setting_names()) {
    keys += "\n      " + setting.key;
    if (!setting.values.empty())
      values += fmt::format("      {}) compadd -- {} ;;\n", setting.key, fmt::join(setting.values, " "));
  }
  return fmt::format(R"(
_fovea_setting() {{
  if compset -P '*='; then
    case ${{${{IPREFIX%=}}##*=}} in
{}    esac
  else
    compadd -qS = --{}
  fi
}}
)",
                     values, with_backslashes(keys, "\n"));
}

}  // namespace

std::string zsh_completion(const CommandWords& program) {
  std::string text = "#compdef fovea\n# Completion of fovea in zsh, written by `fovea completion zsh`.\n";
  for (const CommandWords* command : all_commands(program)) text += zsh_function(*command);
  return text + zsh_settings() + R"(
if [[ $funcstack[1] == _fovea ]]; then
  _fovea "$@"
else
  compdef _fovea fovea
fi
)";
}

}  // namespace fovea
