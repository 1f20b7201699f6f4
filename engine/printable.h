// Names and texts that come from outside, made fit to print.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace fovea {

// `text` with control characters, backslashes and bytes that are no UTF-8 written as \xNN: safe on a terminal, one
// line.
std::string printable(std::string_view text);

// The characters of `text`; U+FFFD for each byte that is no part of valid UTF-8.
std::u32string decoded(std::string_view text);

// As UTF-8.
std::string encoded(std::u32string_view characters);

// The offset of the first byte that is no part of valid UTF-8, or std::string_view::npos.
size_t find_invalid_utf8(std::string_view text);

}  // namespace fovea
