// PyTorch's files, in memory: a zip, the form before 1.6, or, where the input begins like neither, the pickle and the
// storages of that form without what goes before them. Every tensor is read that is no repetition of few values.
#include "engine/pytorch/file.h"

#include "tests/fuzz/fuzz.h"

namespace {

using namespace std::string_view_literals;

constexpr auto kBefore =
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  // PyTorch's number
    "\x80\x02M\xe9\x03."                                         // 1001
    "\x80\x02}."sv;                                              // the machine

void read_all(const fovea::pytorch::PyTorchContent& content) {
  constexpr size_t kMost = 1 << 12;
  const fovea::TensorFile file("weights.pth", content.format, nullptr, content.tensors, {});
  for (const auto& [name, tensor] : file.tensors()) {
    size_t values = 1;
    bool few = true;
    for (const int64_t size : tensor.shape)
      few = few && !__builtin_mul_overflow(values, static_cast<size_t>(size), &values) && values <= kMost;
    if (!few) continue;
    try {
      file.read<float>(name);
    } catch (const fovea::Error& error) {  // of a dtype that is not read
      if (error.kind() != fovea::ErrorKind::Data) throw;
    }
  }
}

}  // namespace

// Almost every input is refused by a throw, and this check takes a third of the time to tidy up after each.
extern "C" const char* __asan_default_options() { return "detect_stack_use_after_return=0"; }

FOVEA_FUZZ(bytes) {
  const std::string_view input = fovea::fuzz::text_of(bytes);
  static std::string whole;
  whole.clear();
  if (!input.starts_with("PK") && !input.starts_with(kBefore.substr(0, 4))) whole = kBefore;
  whole += input;
  try {
    read_all(fovea::pytorch::read_content(whole, "weights.pth"));
  } catch (const fovea::Error& error) {
    if (error.kind() != fovea::ErrorKind::Data) throw;
  }
  return 0;
}
