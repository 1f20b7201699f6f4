#include "kernels/conv/cpu/cpu_features.h"

#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "kernels/conv/conv.h"

#if defined(__aarch64__)
#include <sys/auxv.h>

#include "kernels/conv/cpu/onednn.h"
#endif

namespace fovea::kernels {
namespace {

// Of x86 alone: elsewhere oneDNN says that all are there.
bool at_least([[maybe_unused]] dnnl::cpu_isa isa) {
#if defined(__x86_64__)
  const auto has = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  return (has & static_cast<unsigned>(isa)) == static_cast<unsigned>(isa);
#else
  return false;
#endif
}

#if defined(__aarch64__)
// The kernel's words for what this CPU has (AT_HWCAP, AT_HWCAP2).
constexpr unsigned long kSve = 1UL << 22, kBf16 = 1UL << 14;
bool has_sve() { return (getauxval(AT_HWCAP) & kSve) != 0; }
bool has_bf16_instructions() { return (getauxval(AT_HWCAP2) & kBf16) != 0; }

// Whether oneDNN convolves bf16 by more than its reference, which its builds for Arm differ in.
bool onednn_has_bf16() {
  using dnnl::memory;
  const auto tensor = [](memory::dims dims) {
    return memory::desc(std::move(dims), memory::data_type::bf16, memory::format_tag::any);
  };
  try {
    const auto description = onednn::describe_forward<dnnl::convolution_forward>(
        onednn::attributes(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
        tensor({1, 64, 32, 32}), tensor({64, 64, 3, 3}), tensor({1, 64, 32, 32}), memory::dims{1, 1},
        memory::dims{1, 1}, memory::dims{1, 1});
    return std::string(description.impl_info_str()).rfind("ref", 0) != 0;
  } catch (const dnnl::error&) {  // it has none at all
    return false;
  }
}
#endif

}  // namespace

bool cpu_has_avx2() {
  static const bool has = at_least(dnnl::cpu_isa::avx2);
  return has;
}

bool cpu_has_avx512() {
  static const bool has = at_least(dnnl::cpu_isa::avx512_core);
  return has;
}

bool cpu_has_bf16() {
#if defined(__aarch64__)
  static const bool has = onednn_has_bf16();
  return has;
#else
  return cpu_has_avx512();
#endif
}

bool cpu_has_bf16_matrices() {
  static const bool has = at_least(dnnl::cpu_isa::avx512_core_amx);
  return has;
}

bool cpu_has_fast_bf16() {
#if defined(__aarch64__)
  return has_bf16_instructions() && cpu_has_bf16();
#else
  return at_least(dnnl::cpu_isa::avx512_core_bf16);
#endif
}

std::string cpu_isa_name() {
#if defined(__aarch64__)
  return std::string(has_sve() ? "SVE" : "NEON") + (has_bf16_instructions() ? " with bf16" : "");
#else
  const std::pair<dnnl::cpu_isa, const char*> known[] = {{dnnl::cpu_isa::avx512_core_amx, "AVX-512 with AMX"},
                                                         {dnnl::cpu_isa::avx512_core_bf16, "AVX-512 with bf16"},
                                                         {dnnl::cpu_isa::avx512_core, "AVX-512"},
                                                         {dnnl::cpu_isa::avx2, "AVX2"},
                                                         {dnnl::cpu_isa::sse41, "SSE4.1"}};
  for (const auto& [isa, name] : known)
    if (at_least(isa)) return name;
  return "unknown";
#endif
}

}  // namespace fovea::kernels
