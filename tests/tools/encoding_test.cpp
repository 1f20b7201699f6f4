// Text files in the encodings that tools on Windows and macOS write.
#include "tools/text/encoding.h"

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tools/text/file.h"

using namespace fovea;
using Catch::Contains;
using fovea::test::TemporaryFolder;

namespace {

TextFile read(std::string_view bytes) {
  const TemporaryFolder folder;
  write_file(folder.path() / "a.txt", bytes);
  return read_text_file(folder.path() / "a.txt");
}

std::string refusal(std::string_view bytes) {
  try {
    read(bytes);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Data);
    return error.what();
  }
  return "no error";
}

constexpr std::string_view operator""_b(const char* text, size_t size) { return {text, size}; }

}  // namespace

TEST_CASE("encoding: UTF-8 with or without its mark, and UTF-16 of either byte order, are the same text",
          "[encoding]") {
  const std::string text = "caf\u00e9\n\U0001F600";
  const std::string_view little =
      "\xFF\xFE"
      "c\0a\0f\0\xE9\0\n\0\x3D\xD8\x00\xDE"_b;
  const std::string_view big =
      "\xFE\xFF"
      "\0c\0a\0f\0\xE9\0\n\xD8\x3D\xDE\x00"_b;
  for (const std::string_view bytes : {std::string_view(text),
                                       "\xEF\xBB\xBF"
                                       "caf\xC3\xA9\n\xF0\x9F\x98\x80"_b,
                                       little, big}) {
    CHECK(read(bytes).text == text);
    CHECK(read(bytes).warning.empty());
  }
  CHECK(read("").text.empty());
}

TEST_CASE("encoding: other bytes are taken as Windows-1252, and the first line with them is shown", "[encoding]") {
  const TextFile file = read("alpha\ncaf\xE9 \x80\r\n\xFC\n");
  CHECK(file.text == "alpha\ncaf\u00e9 \u20ac\r\n\u00fc\n");
  CHECK_THAT(file.warning, Contains("a.txt:2: is not UTF-8; taken as Windows-1252: \"caf\u00e9 \u20ac\""));
}

TEST_CASE("fault: text in no encoding that is known is refused with its line", "[encoding][fault]") {
  for (const std::string_view byte : {"\x81", "\x8D", "\x8F", "\x90", "\x9D"})
    CHECK_THAT(refusal("a\nb\xE9\n" + std::string(byte)), Contains("a.txt:3: ") && Contains("save the file as UTF-8"));
  CHECK_THAT(refusal("\xFF\xFE"
                     "a"_b),
             Contains("is not UTF-16"));
  CHECK_THAT(refusal("\xFF\xFE\x00\xDE"_b), Contains("is not UTF-16"));
  CHECK_THAT(refusal("a\0b\0"_b), Contains("a.txt:1: holds a byte 00"));
}

TEST_CASE("encoding: what declares its encoding is converted from it", "[encoding]") {
  CHECK(converted("\xBA\xEC", "GBK", "a.xml") == "\u7EA2");
  CHECK(converted("\x80", "windows-1252", "a.xml") == "\u20ac");
  CHECK(converted("caf\xE9", "ISO-8859-1", "a.xml") == "caf\u00e9");
  CHECK(converted(std::string(10000, '\xB1'), "iso-8859-2", "a.xml").size() == 20000);
  CHECK_THROWS_WITH(converted("a", "klingon", "a.xml"), Contains("a.xml: its encoding, klingon, is not known here"));
  CHECK_THROWS_WITH(converted("a\n\xFF\xFF", "GBK", "a.xml"), Contains("a.xml:2: is not in GBK"));
}

TEST_CASE("encoding: the beginning of a file is text whatever it holds", "[encoding]") {
  const TemporaryFolder folder;
  const auto beginning = [&](std::string_view bytes, size_t count) {
    write_file(folder.path() / "a", bytes);
    return beginning_of(folder.path() / "a", count);
  };
  CHECK(beginning("\xEF\xBB\xBF"
                  "abc",
                  5) == "ab");
  CHECK(beginning("\xFF\xFE"
                  "a\0\x3D\xD8\x00\xDE"_b,
                  7) == "a");
  CHECK(beginning("\x81\x00"_b, 7) == "\x81\x00"_b);
}
