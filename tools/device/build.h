// How this program was built, in words.
#pragma once
#include <string>

namespace fovea {

// "fovea 0.1.0 (commit 288e4f412a)"; "…, changed)" where the sources were not the commit's, "(unknown commit)".
std::string program_name();

// Lines for people: program_name(), compiler, libraries, CUDA.
std::string build_text();

// Whether mpirun can start this build's ranks.
bool built_with_mpi();

}  // namespace fovea
