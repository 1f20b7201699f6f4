// `fovea completion`: what makes the Tab key know the program.
#include "tools/cli/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "kernels/error.h"
#include "tools/cli/commands.h"

namespace fovea {

std::string shell_quoted(const std::string& text) {
  return "'" + CLI::detail::find_and_replace(text, "'", R"('\'')") + "'";
}

std::string as_typed(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("/._-=+:,").find(static_cast<char>(c)) != std::string_view::npos;
  });
  return plain ? text : shell_quoted(text);
}

void add_completion(CLI::App& app) {
  auto* command =
      app.add_subcommand("completion", "Print the script that completes the command line in bash, zsh or fish");
  const auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "The shell")->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Install, for new shells of this user:\n"
      "  bash  mkdir -p ~/.local/share/bash-completion/completions\n"
      "        fovea completion bash > ~/.local/share/bash-completion/completions/fovea\n"
      "        (where the package bash-completion is missing, a line in ~/.bashrc: source <(fovea completion bash))\n"
      "  zsh   mkdir -p ~/.zfunc && fovea completion zsh > ~/.zfunc/_fovea\n"
      "        (in ~/.zshrc, before compinit: fpath=(~/.zfunc $fpath))\n"
      "  fish  mkdir -p ~/.config/fish/completions\n"
      "        fovea completion fish > ~/.config/fish/completions/fovea.fish\n\n"
      "Example:\n"
      "  source <(fovea completion bash)");
  command->callback([&app, shell] {
    if (shell->empty())
      throw Error(ErrorKind::Usage, "completion needs a shell: bash, zsh or fish; see fovea completion --help");
    const CommandWords program = command_tree(app);
    fmt::print("{}", *shell == "bash"  ? bash_completion(program)
                     : *shell == "zsh" ? zsh_completion(program)
                                       : fish_completion(program));
  });
}

}  // namespace fovea
