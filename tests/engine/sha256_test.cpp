#include "engine/sha256.h"

#include "tests/support/catch.h"

using namespace fovea;

namespace {

std::string hash_of(const std::string& text) { return sha256(std::as_bytes(std::span(text))); }

}  // namespace

// NIST's examples for FIPS 180-4.
TEST_CASE("SHA-256 is that of its standard", "[sha256]") {
  CHECK(hash_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(
      hash_of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
              "nopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(hash_of(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 of pieces is that of the whole, wherever it is cut, and can be asked for in between", "[sha256]") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += static_cast<char>('a' + i % 26);
  const std::span whole = std::as_bytes(std::span(text));
  for (size_t length = 0; length <= whole.size(); ++length)
    for (const size_t cut : {size_t{0}, length / 3, length / 2, length}) {
      CAPTURE(length, cut);
      Sha256 hash;
      hash.add(whole.first(cut));
      CHECK(hash.digits() == sha256(whole.first(cut)));
      hash.add(whole.subspan(cut, length - cut));
      CHECK(hash.digits() == sha256(whole.first(length)));
    }
}
