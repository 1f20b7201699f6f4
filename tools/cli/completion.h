// Scripts that complete the program's command line. They stand for themselves: a key press starts no program, and what
// they know is all that the option tree held when they were written.
#pragma once
#include <string>

#include "tools/cli/command_tree.h"

namespace fovea {

std::string bash_completion(const CommandWords& program);
std::string zsh_completion(const CommandWords& program);
std::string fish_completion(const CommandWords& program);

// `text` as one word of these shells.
std::string shell_quoted(const std::string& text);
// The same, without quotes where none are needed.
std::string as_typed(const std::string& text);

}  // namespace fovea
