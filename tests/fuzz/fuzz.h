// What the fuzzers share. Each defines `void read_input(const std::filesystem::path& folder, bytes)`: whatever the
// bytes are, it returns or throws fovea::Error of bad data or usage. Anything else that happens is a fault: another
// exception, a sanitizer's report, too much memory or time.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "kernels/error.h"
#include "tests/support/temporary_folder.h"
#include "tools/text/file.h"

namespace fovea::fuzz {

using Bytes = std::span<const uint8_t>;

inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Calls `read` with the input in a file of this name, in a folder of its own that stays between calls.
template <class Read>
int with_file(const char* name, Bytes bytes, const Read& read) {
  static const test::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / name;
  write_file(file, bytes);
  try {
    read(file);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data && error.kind() != ErrorKind::Usage) throw;
  }
  return 0;
}

}  // namespace fovea::fuzz

// The body of LLVMFuzzerTestOneInput.
#define FOVEA_FUZZ(bytes)                                                                                    \
  static int fuzz_one(fovea::fuzz::Bytes bytes);                                                             \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return fuzz_one({data, size}); } \
  static int fuzz_one(fovea::fuzz::Bytes bytes)
