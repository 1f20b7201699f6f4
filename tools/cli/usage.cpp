#include "tools/cli/usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/printable.h"
#include "tools/text/nearest.h"

namespace fovea {
namespace {

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// Those below it that have the option.
std::vector<std::string> commands_with(const CLI::App& app, const std::string& option) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_option_no_throw(option) != nullptr) names.push_back(command->get_name());
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string unknown_word(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* command = &app;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    if (const auto commands = command_names(*command); !word.starts_with("-") && !commands.empty()) {
      const std::string name(word);
      if (!contains(commands, name))
        return fmt::format("unknown command '{}'{} (commands: {})", printable(name), did_you_mean(name, commands),
                           CLI::detail::join(commands, ", "));
      command = command->get_subcommand(name);
    } else if (word.starts_with("--")) {
      const auto options = option_names(*command);
      const std::string name(word.substr(0, word.find('=')));
      if (contains(options, name)) continue;
      if (const auto below = commands_with(*command, name); !below.empty())
        return fmt::format("{} goes behind a command (commands: {})", printable(name), CLI::detail::join(below, ", "));
      return fmt::format("{} has no option {}{}", command->get_name(), printable(name), did_you_mean(name, options));
    }
  }
  return "";
}

}  // namespace fovea
