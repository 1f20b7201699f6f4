// What was mistyped on the command line.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace fovea {

// The first word that is no command of `app`, or no option of its command, with the nearest one that there is; empty
// when all are known. (CLI11 complains of what is missing first, which hides a misspelled option that would have
// supplied it.)
std::string unknown_word(const CLI::App& app, int argc, const char* const* argv);

}  // namespace fovea
