// The levels of x86-64: v2 (SSE4.2), v3 (AVX2, FMA), v4 (AVX-512). A build with FOVEA_MARCH=levels has the kernels for
// each, and glibc's loader takes the highest that the CPU has (its folders glibc-hwcaps).
#pragma once

namespace fovea {

// What the kernels in use were compiled for: "x86-64-v3", or elsewhere the architecture ("aarch64").
const char* kernel_level();

// The highest level of this CPU, under the same names.
const char* cpu_level();

// Where the environment variable FOVEA_CPU_LEVEL names a level below the one in use: starts the program again (the same
// process, from its beginning) with that level's kernels, and with convolutions limited to it. Call it first thing in
// main(). Error(Usage): not a level, above the CPU's, or not in this build.
void use_asked_cpu_level(char** argv);

}  // namespace fovea
