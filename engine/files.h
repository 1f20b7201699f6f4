// Files that are whole or not there, and text for them.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "kernels/error.h"

namespace fovea {

// Writes to a temporary file beside `path`, flushes it to the disk, and renames it: `path` holds the old file or the
// new one, whole, whenever the power goes. Throws Error(Runtime) with the system's reason.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// What errno's value means, and what to do about it where that is known: "No space left on device: make room on its
// disk, or choose another place".
std::string reason_text(int reason);

// Throws Error(Runtime): "PATH: WHAT failed: " and errno's reason.
[[noreturn]] void fail_with_errno(const std::filesystem::path& path, const char* what);

// Of a file that cannot be read, for errno's reason: Error(Data); but not where the file is not at fault: too many are
// open (Runtime), or there is no memory (OutOfMemory).
Error cannot_read(const std::filesystem::path& path, int reason);

// `text` as a JSON string with its quotes.
std::string json_quoted(std::string_view text);

}  // namespace fovea
