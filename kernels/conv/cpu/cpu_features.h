// What convolutions ask of the CPU: what it has and oneDNN may use (ONEDNN_MAX_CPU_ISA).
#pragma once

namespace fovea::kernels {

bool cpu_has_avx2();
bool cpu_has_avx512();
// In oneDNN's primitives, maybe emulated.
bool cpu_has_bf16();
// AMX: eight times the rate of fp32, which no saving of products makes up for.
bool cpu_has_bf16_matrices();

}  // namespace fovea::kernels
