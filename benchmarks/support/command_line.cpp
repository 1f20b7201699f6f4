#include "benchmarks/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <type_traits>

namespace fovea::bench {
namespace {

CLI::Option* add(CLI::App& app, const Option& option) {
  return std::visit(
      [&](auto* value) {
        if constexpr (std::is_same_v<decltype(value), bool*>)
          return app.add_flag(option.name, *value, option.help);
        else
          return app.add_option(option.name, *value, option.help);
      },
      option.value);
}

}  // namespace

int command(int argc, char** argv, const char* description, const std::vector<Option>& options,
            const std::function<void()>& run) {
  CLI::App app(description);
  for (const Option& option : options) {
    CLI::Option* added = add(app, option);
    if (option.rule == Option::Required) added->required();
    if (option.rule == Option::Positive) added->check(CLI::PositiveNumber);
    if (option.rule == Option::NotNegative) added->check(CLI::NonNegativeNumber);
    if (!option.choices.empty()) added->check(CLI::IsMember(option.choices));
  }
  CLI11_PARSE(app, argc, argv);
  try {
    run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

}  // namespace fovea::bench
