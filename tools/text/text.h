// Pieces of text files: lines, numbers, names.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// Without white space at both ends.
std::string_view trimmed(std::string_view text);
// Lines without their ends (LF, CRLF) and without a byte order mark; no line after the last end.
std::vector<std::string_view> lines_of(std::string_view text);
// Words between white space.
std::vector<std::string_view> words_of(std::string_view line);

// Letters A to Z as a to z; others stay.
std::string lower_case(std::string_view text);

// The whole of `text`, but for white space around it, with a decimal point whatever the locale says; also nan and inf.
std::optional<double> parse_number(std::string_view text);
std::optional<int64_t> parse_integer(std::string_view text);
// An integer of size below 2^53, beyond which programs that hold numbers as doubles confuse neighbors.
std::optional<int64_t> parse_id(std::string_view text);

// At most 40 characters, fit to print.
std::string excerpt(std::string_view text);

}  // namespace fovea
