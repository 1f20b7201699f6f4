// `fovea man`: manual pages in troff, from the option tree.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <sstream>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/cli/bounds.h"
#include "tools/cli/command_tree.h"
#include "tools/cli/commands.h"
#include "tools/cli/reference.h"
#include "tools/text/file.h"
#include "tools/text/nearest.h"
#include "tools/text/version.h"

namespace fovea {
namespace {

// `text` as troff prints it, from the beginning of a line on: no dot or quote there is a request.
std::string roff(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c == '.' || c == '\'') && (i == 0 || text[i - 1] == '\n')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '`') {
      out += "\\(ga";
    } else if (c < 0x80) {
      out += text[i];
    } else {  // UTF-8, of two to four bytes
      const size_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
      uint32_t code = c & (0x3fu >> more);
      for (size_t k = 0; k < more; ++k) code = code << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fu);
      out += fmt::format("\\[u{:04X}]", code);
    }
  }
  return out;
}

// In lines of at most 80 bytes, as readers of troff expect; a word alone may be longer.
std::string roff_lines(const std::string& text) {
  std::string lines, line;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::string longer = line.empty() ? roff(word) : line + " " + roff(word);
    if (longer.size() > 80 && !line.empty()) {
      lines += line + "\n";
      line = roff(word);
    } else {
      line = longer;
    }
  }
  return lines + line + "\n";
}

std::string sentence(const std::string& text) { return text.ends_with('.') ? text : text + "."; }

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

// "{a, b}", which may be longer than a line: it breaks, and is adjusted, at the spaces.
std::string italic_choices(const std::string& text) {
  std::string out = italic(text);
  for (size_t i = out.find(','); i != std::string::npos; i = out.find(',', i + 1)) out.insert(i + 1, " ");
  return out;
}

// "fovea data check" -> "fovea-data-check"
std::string page_name(const CommandWords& command) {
  std::string name = command.name;
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string synopsis(const CommandWords& command) {
  std::string text = bold(command.name) + " [" + italic("options") + "]";
  for (const OptionWords& argument : command.arguments) {
    const std::string name = italic(argument.names[0]) + (argument.many ? " \\&..." : "");
    text += argument.required ? " " + name : " [" + name + "]";
  }
  return text + (command.commands.empty() ? "" : " " + italic("command")) + "\n";
}

std::string entry(const std::string& head, const std::string& text) { return ".TP\n" + head + "\n" + roff_lines(text); }

std::string option_entry(const OptionWords& option, bool is_argument) {
  std::string head;
  for (const std::string& name : option.names)
    head += (head.empty() ? "" : ", ") + (is_argument ? italic(name) : bold(name));
  if (!option.value.empty()) head += " " + italic_choices(option.value) + (option.many ? " \\&..." : "");
  std::string text = sentence(option.description);
  if (option.required && !is_argument) text += " Required.";
  if (!option.standard.empty()) text += " Default: " + option.standard + ".";
  return entry(head, text);
}

// The sections of a footer: a line that ends with a colon, then indented lines as they are.
std::string sections(const std::string& footer) {
  std::string text;
  bool open = false;
  std::istringstream lines(footer);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (!line.starts_with(' ')) {
      if (open) text += ".EE\n";
      const std::string title = line.substr(0, line.find_first_of(",:"));
      text += ".SH " + upper(title == "Example" ? "Examples" : title) + "\n.EX\n";
      open = true;
    } else {
      text += roff(line) + "\n";
    }
  }
  return text + (open ? ".EE\n" : "");
}

std::string see_also(const CommandWords& command, const CommandWords& program) {
  std::string text;
  const auto add = [&](const CommandWords& other) {
    if (other.name != command.name)
      text += fmt::format("{}{}(1)", text.empty() ? ".SH SEE ALSO\n" : ",\n", bold(page_name(other)));
  };
  const std::string above = command.name.substr(0, command.name.rfind(' '));
  for (const CommandWords* other : all_commands(program)) {
    const bool beside = other->name.substr(0, other->name.rfind(' ')) == above;
    if (other->name == above || beside || other->name.starts_with(command.name + " ")) add(*other);
  }
  return text + "\n";
}

std::string man_page(const CommandWords& command, const CommandWords& program) {
  const std::string name = page_name(command);
  std::string brief = command.description;
  if (&command == &program)
    brief = "train and run RetinaNet object detectors";
  else
    brief[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(brief[0])));
  // Not adjusted: a line of choices has no spaces to widen.
  std::string text =
      fmt::format(".TH {} 1 {} \"fovea {}\" \"Fovea\"\n.ad l\n.SH NAME\n{} \\-\n{}.SH SYNOPSIS\n{}", upper(name),
                  kVersionDay, roff(kVersion), roff(name), roff_lines(brief), synopsis(command));
  text += ".SH DESCRIPTION\n" + roff_lines(sentence(command.description));
  if (!command.commands.empty()) text += ".SH COMMANDS\n";
  for (const CommandWords& below : command.commands)
    text += entry(bold(page_name(below)) + "(1)", sentence(below.description));
  if (!command.arguments.empty()) text += ".SH ARGUMENTS\n";
  for (const OptionWords& argument : command.arguments) text += option_entry(argument, /*is_argument=*/true);
  text += ".SH OPTIONS\n";
  for (const OptionWords& option : command.options) text += option_entry(option, /*is_argument=*/false);
  text += sections(command.footer) + ".SH EXIT STATUS\n";
  for (const auto& [code, means] : kExitCodes) text += entry(bold(code), means);
  text += ".SH ENVIRONMENT\n";
  for (const auto& [variables, means] : kEnvironment) text += entry(bold(variables), means);
  return text + see_also(command, program);
}

struct ManOptions {
  std::vector<std::string> command;
  std::string out;
};

void man(const ManOptions& options, const CommandWords& program) {
  const auto all = all_commands(program);
  if (!options.out.empty()) {
    make_folder(options.out);
    for (const CommandWords* command : all)
      write_file(std::filesystem::path(options.out) / (page_name(*command) + ".1"), man_page(*command, program));
    return;
  }
  const std::string name = CLI::detail::join(options.command, " ");
  std::vector<std::string> names;
  for (const CommandWords* command : all) {
    if (command->name == (name.empty() ? "fovea" : "fovea " + name))
      return fmt::print("{}", man_page(*command, program));
    if (command != &program) names.push_back(command->name.substr(program.name.size() + 1));
  }
  throw Error(ErrorKind::Usage, fmt::format("there is no command '{}'{} (commands: {})", printable(name),
                                            did_you_mean(name, names), CLI::detail::join(names, ", ")));
}

}  // namespace

void add_man(CLI::App& app) {
  auto* command = app.add_subcommand("man", "Print the manual page of a command, for man and other readers of troff");
  const auto options = std::make_shared<ManOptions>();
  std::vector<std::string> words;
  const CommandWords program = command_tree(app);
  for (const CommandWords* known : all_commands(program))
    if (const std::string word = last_word(*known);
        known != &program && std::find(words.begin(), words.end(), word) == words.end())
      words.push_back(word);
  command->add_option("command", options->command, "The command, e.g. data check (default: fovea itself)")
      ->check(suggested(words));
  command->add_option("--out", options->out, "Write the pages of all commands into this folder")->type_name("DIR");
  command->footer(
      "Examples:\n"
      "  fovea man train | man -l -\n"
      "  fovea man --out ~/.local/share/man/man1");
  command->callback([&app, options] { man(*options, command_tree(app)); });
}

}  // namespace fovea
