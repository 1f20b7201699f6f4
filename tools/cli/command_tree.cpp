#include "tools/cli/command_tree.h"

#include <CLI/CLI.hpp>
#include <string_view>

namespace fovea {
namespace {

// CLI11 writes TYPE:CHECK; what the check says is closer.
std::string value_name(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return "";
  if (!option.get_option_text().empty()) return option.get_option_text();
  const std::string type = option.get_type_name();
  for (const std::string_view base : {"TEXT:", "FLOAT:", "UINT:", "INT:"})
    if (type.starts_with(base)) return type.substr(base.size());
  return type;
}

// Of "{train,val,test,…}", which names some of those that there can be.
std::vector<std::string> words_in(const std::string& value) {
  std::vector<std::string> words = CLI::detail::split(value.substr(1, value.size() - 2), ',');
  std::erase(words, "…");
  return words;
}

OptionWords::Takes kind_of(const std::string& value) {
  using Takes = OptionWords::Takes;
  if (value.empty()) return Takes::Nothing;
  if (value.starts_with("{")) return Takes::Words;
  if (value.starts_with("FILE") || value.starts_with("PATH")) return Takes::File;
  if (value == "DIR") return Takes::Folder;
  return value.starts_with("KEY=VALUE") ? Takes::Setting : Takes::Text;
}

OptionWords option_words(const CLI::Option& option) {
  OptionWords words;
  if (option.get_positional()) words.names.push_back(option.get_name(/*positional=*/true));
  for (const std::string& name : option.get_snames()) words.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) words.names.push_back("--" + name);
  words.description = option.get_description();
  words.value = value_name(option);
  words.standard = option.get_default_str();
  words.takes = kind_of(words.value);
  if (words.takes == OptionWords::Takes::Words) words.words = words_in(words.value);
  words.many = option.get_items_expected_max() > 1;
  words.required = option.get_required();
  return words;
}

CommandWords command_words(const CLI::App& app, const std::string& above) {
  CommandWords command{
      .name = above + app.get_name(), .description = app.get_description(), .footer = app.get_footer()};
  for (const CLI::Option* option : app.get_options())
    (option->get_positional() ? command.arguments : command.options).push_back(option_words(*option));
  for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; }))
    command.commands.push_back(command_words(*below, command.name + " "));
  return command;
}

}  // namespace

std::string last_word(const CommandWords& command) { return command.name.substr(command.name.rfind(' ') + 1); }

CommandWords command_tree(const CLI::App& app) { return command_words(app, ""); }

std::vector<const CommandWords*> all_commands(const CommandWords& program) {
  std::vector<const CommandWords*> all{&program};
  for (const CommandWords& command : program.commands)
    for (const CommandWords* below : all_commands(command)) all.push_back(below);
  return all;
}

}  // namespace fovea
