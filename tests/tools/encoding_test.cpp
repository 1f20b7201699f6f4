// Text files in the encodings that tools on Windows and macOS write.
#include "tools/text/encoding.h"

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/refusal.h"
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
  return test::refusal_of([&] { read(bytes); });
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

TEST_CASE("fault: text that makes no sense as Windows-1252 is refused with its bytes and the command that mends it",
          "[encoding][fault]") {
  const auto refused = [](std::string_view text, const char* encoding) {
    CHECK_THAT(refusal("a\n" + std::string(text)), Contains("a.txt:2: the bytes ") &&
                                                       Contains(std::string("iconv -f ") + encoding) &&
                                                       Contains("a.txt > NEW"));
  };
  refused("\x83\x6C\x83\x52", "SHIFT_JIS");   // neko, cat
  refused("\x82\xE2\x82\xAC", "SHIFT_JIS");   // in hiragana
  refused("\x94\x4C,\x8C\xA2", "SHIFT_JIS");  // in kanji
  refused("\xC3\xA8,\xB9\xB7", "SHIFT_JIS");  // Chinese, which could be either
  CHECK_THAT(refusal("\xC3\xA8,\xB9\xB7"), Contains("GB18030"));
  CHECK_THAT(refusal("\xEA\xEE\xF8\xEA\xE0"), Contains("WINDOWS-1251"));  // Russian
  CHECK_THAT(refusal("\xC7\xD1\xB1\xDB"), Contains("EUC-KR"));
}

TEST_CASE("encoding: words of the languages of Windows-1252 are taken as that", "[encoding]") {
  for (const std::string_view text : {"H\xE4hnchen",
                                      "Gef\xE4\xDF",
                                      "cr\xE9\xE9"
                                      "e",
                                      "\x84\xDC"
                                      "bung\x93",
                                      "\x93quoted\x94",
                                      "l\x92\xE9t\xE9",
                                      "20 \xB0"
                                      "C",
                                      "\xE9\x85",
                                      "caf\xE9\xAE",
                                      "\xAB \xE9t\xE9 \xBB",
                                      "5 \x80",
                                      "Sm\xF8rrebr\xF8"
                                      "d",
                                      "j\xE4\xE4\xE4\xE4r",
                                      "\x8Akoda",
                                      "\xBFqu\xE9?",
                                      "\xA7 5",
                                      "a \x96 b",
                                      "12 \xB5m\xB2",
                                      "S\xE3o Jo\xE3o",
                                      "f\xEAte\xA0!",
                                      "\xC5ngstr\xF6m"}) {
    CAPTURE(text);
    CHECK_NOTHROW(read(text));
  }
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
