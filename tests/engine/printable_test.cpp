#include "engine/printable.h"

#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("UTF-8 decodes to its characters and encodes back", "[printable]") {
  const std::u32string characters = U"a\u007f\u0080é\u07ff\u0800红\ud7ff\uffff\U00010000🦊\U0010ffff";
  const std::string text =
      "a\x7f\xc2\x80\xc3\xa9\xdf\xbf\xe0\xa0\x80\xe7\xba\xa2\xed\x9f\xbf\xef\xbf\xbf\xf0\x90\x80\x80"
      "\xf0\x9f\xa6\x8a\xf4\x8f\xbf\xbf";
  CHECK(decoded(text) == characters);
  CHECK(encoded(characters) == text);
  CHECK(decoded("").empty());
}

TEST_CASE("fault: each byte that is no UTF-8 decodes to a replacement character", "[printable][fault]") {
  for (const std::string bad : {"\xff", "\x80", "\xc3", "\xe7\xba", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    CAPTURE(printable(bad));
    CHECK(decoded("a" + bad + "b") == U"a" + std::u32string(bad.size(), 0xFFFD) + U"b");
  }
}
