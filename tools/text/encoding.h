// Text files in whatever encoding a tool wrote them, as UTF-8.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace fovea {

struct TextFile {
  std::string text;     // UTF-8, without a byte order mark
  std::string warning;  // a line for the user where the encoding was guessed; else empty
};

// UTF-8, or UTF-16 with a byte order mark. Bytes that are neither are taken as Windows-1252, which old editors on
// Windows write; the warning names the first line with such bytes and shows it as it was taken. Throws ErrorKind::Data,
// naming file, line and bytes, where they are not that either, and what open_file throws.
TextFile read_text_file(const std::filesystem::path& path);
// The same of the bytes of a file; `name` is fit to print.
TextFile text_of(std::span<const uint8_t> raw, const std::string& name);

// Throws ErrorKind::Data, as text_of() does, where the bytes of the file `name` make no sense as Windows-1252:
// Shift-JIS, GBK, Korean, Russian and the like.
void require_windows_1252(std::string_view bytes, const std::string& name);

// The first bytes of `path`, at most `count`, as text for a guess at what the file holds: never refused.
std::string beginning_of(const std::filesystem::path& path, size_t count);
// The same of one file of many, where one that cannot be read says nothing about the others: empty.
std::string beginning_if_readable(const std::filesystem::path& path, size_t count);

// UTF-8 of `bytes`, which are said to be in `encoding` ("gbk", "ISO-8859-2", in any case). Throws ErrorKind::Data, for
// the file `name`, where there is no such encoding here or the bytes are not in it.
std::string converted(std::string_view bytes, const std::string& encoding, const std::string& name);

// Whether the text begins with UTF-16's byte order mark.
bool is_utf16(std::string_view bytes);
// Without the byte order mark of UTF-8.
std::string_view without_mark(std::string_view text);

}  // namespace fovea
