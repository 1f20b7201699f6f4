#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "tools/cli/completion.h"
#include "tools/config/config.h"

namespace fovea {
namespace {

constexpr const char* kBashFunctions = R"bash(
# Replies with the words that go on with what is typed. Where readline breaks words at =, it replaces what stands behind
# the last one alone.
_fovea_reply() {
  local word kept=
  [[ $COMP_WORDBREAKS != *=* || $typed != *=* ]] || kept=${typed%"${typed##*=}"}
  for word; do
    word=$prefix$word
    [[ $word != "$typed"* ]] || COMPREPLY+=("${word:${#kept}}")
  done
}

_fovea_values() {
  local key=${typed#"$prefix"}
  case ${takes[1]} in
    words) _fovea_reply "${takes[@]:2}" ;;
    file) compopt -o default ;;
    folder) compopt -o dirnames ;;
    setting)
      if [[ $key == *=* ]]; then
        key=${key%%=*} prefix+=$key=
        _fovea_setting "$key"
        _fovea_reply "${words[@]}"
      else
        compopt -o nospace
        _fovea_settings
        _fovea_reply "${settings[@]/%/=}"
      fi
      ;;
  esac
}

_fovea() {
  local -a words=() commands=() options=() settings=() takes=(0)
  local i word typed command=fovea glued=no prefix= given=0
  for ((i = 1; i <= COMP_CWORD; ++i)); do  # what was broken at = and : is whole again
    word=${COMP_WORDS[i]}
    if [[ ${#words[@]} -gt 0 && -n $word && ($glued == yes || $word == [=:]*) ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    [[ $word == *[=:] ]] && glued=yes || glued=no
  done
  typed=${words[-1]}
  unset 'words[-1]'
  for word in "${words[@]}"; do
    case ${takes[0]}:$word in
      one:*) takes=(0) ;;  # the option's value
      *:-*)
        _fovea_takes "$command ${word%%=*}"
        [[ ${takes[0]}:$word != one:*=* ]] || takes=(0)
        ;;
      many:*) ;;  # another value of the option
      *)
        _fovea_words "$command"
        if [[ " ${commands[*]} " == *" $word "* ]]; then command+=" $word"; else ((++given)); fi
        ;;
    esac
  done
  if [[ ${takes[0]} == one || (${takes[0]} == many && $typed != -*) ]]; then
    _fovea_values
  elif [[ $typed == --*=* ]]; then
    prefix=${typed%%=*}=
    _fovea_takes "$command ${typed%%=*}"
    _fovea_values
  else
    _fovea_words "$command"
    if [[ $typed == -* ]]; then
      _fovea_reply "${options[@]}"
    else
      _fovea_reply "${commands[@]}"
      _fovea_takes "$command #$((given + 1))"
      _fovea_values
    fi
  fi
}

complete -F _fovea fovea
)bash";

// What a line of _fovea_takes sets: how many values, and which; empty where it takes none.
std::string bash_value(const OptionWords& option) {
  const char* many = option.many ? "many" : "one";
  switch (option.takes) {
    case OptionWords::Takes::Nothing:
      return "";
    case OptionWords::Takes::Words:
      return fmt::format("{} words {}", many, fmt::join(option.words, " "));
    case OptionWords::Takes::Setting:
      return fmt::format("{} setting", many);
    case OptionWords::Takes::File:
      return fmt::format("{} file", many);
    case OptionWords::Takes::Folder:
      return fmt::format("{} folder", many);
    case OptionWords::Takes::Text:
      break;
  }
  return fmt::format("{} text", many);
}

std::string bash_takes(const CommandWords& program) {
  std::map<std::string, std::vector<std::string>> places;  // by what is taken there
  for (const CommandWords* command : all_commands(program)) {
    for (const OptionWords& option : command->options)
      for (const std::string& name : option.names)
        places[bash_value(option)].push_back(shell_quoted(command->name + " " + name));
    for (size_t i = 0; i < command->arguments.size(); ++i) {
      const OptionWords& argument = command->arguments[i];
      const std::string place = argument.many ? "#'*" : fmt::format("#{}'", i + 1);
      places[bash_value(argument)].push_back(fmt::format("'{} {}", command->name, place));
    }
  }
  places.erase("");
  std::string text =
      "# What is taken at a place of the command line, an option (\"fovea eval --split\") or an argument (\"fovea eval "
      "#1\"):\n# one value or many, their kind, and the words to choose from.\n_fovea_takes() {\n  case $1 in\n";
  for (const auto& [takes, where] : places)
    text += fmt::format("    {})\n      takes=({}) ;;\n", fmt::join(where, " | "), takes);
  return text + "    *) takes=(0) ;;\n  esac\n}\n";
}

std::string bash_words(const CommandWords& program) {
  std::string text = "\n_fovea_words() {\n  case $1 in\n";
  for (const CommandWords* command : all_commands(program)) {
    std::vector<std::string> commands, options;
    for (const CommandWords& below : command->commands) commands.push_back(last_word(below));
    for (const OptionWords& option : command->options)
      options.insert(options.end(), option.names.begin(), option.names.end());
    text += fmt::format("    '{}')\n      commands=({})\n      options=({})\n      ;;\n", command->name,
                        fmt::join(commands, " "), fmt::join(options, " "));
  }
  return text + "  esac\n}\n";
}

std::string bash_settings() {
  std::string keys, values;
  for (const SettingName& setting : setting_names()) {
    keys += "\n    " + setting.key;
    if (!setting.values.empty())
      values += fmt::format("    {}) words=({}) ;;\n", setting.key, fmt::join(setting.values, " "));
  }
  return fmt::format(
      "\n_fovea_settings() {{\n  settings=({}\n  )\n}}\n\n_fovea_setting() {{\n  case $1 in\n{}    *) words=() ;;\n  "
      "esac\n}}\n",
      keys, values);
}

}  // namespace

std::string bash_completion(const CommandWords& program) {
  return "# Completion of fovea in bash, written by `fovea completion bash`.\n\n" + bash_takes(program) +
         bash_words(program) + bash_settings() + kBashFunctions;
}

}  // namespace fovea
