#include "tools/report/typesetter.h"

#include <atomic>
#include <random>
#include <thread>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tools/report/bounded_cache.h"
#include "tools/text/file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

constexpr int size = 48;

Typesetter& dejavu() {
  static Typesetter typesetter("", nullptr);
  return typesetter;
}

TextCoverage drawn(const std::string& text, Typesetter& typesetter = dejavu(), int pixels = size) {
  return typesetter.coverage(text, pixels, 100, 100, 2000, 400);
}

bool same(const TextCoverage& a, const TextCoverage& b) {
  return a.left == b.left && a.top == b.top && a.width == b.width && a.shares == b.shares;
}

// In whole pixels, between two columns of the image.
double ink(const TextCoverage& text, int from = 0, int to = 2000) {
  double sum = 0;
  for (size_t i = 0; i < text.shares.size(); ++i) {
    const int x = text.left + static_cast<int>(i % text.width);
    if (x >= from && x < to) sum += text.shares[i] / 255.0;
  }
  return sum;
}

// Columns without ink between the first and the last that has some.
int gaps(const TextCoverage& text) {
  int count = 0;
  bool begun = false;
  for (int x = text.left, empty = 0; x < text.left + text.width; ++x) {
    const bool inked = ink(text, x, x + 1) > 0;
    if (inked && begun) count += empty;
    empty = inked ? 0 : empty + 1;
    begun = begun || inked;
  }
  return count;
}

}  // namespace

TEST_CASE("Arabic letters join, in forms of their own", "[typesetter]") {
  const std::string word = "بيتي";
  int apart = 0;
  for (const std::string letter : {"ب", "ي", "ت", "ي"}) apart += dejavu().width(letter, size);
  CHECK(dejavu().width(word, size) < 0.8 * apart);
  CHECK(gaps(drawn(word)) == 0);
  CHECK(gaps(drawn("ill")) > 0);
  CHECK(dejavu().width("لا", size) < dejavu().width("ل", size));  // lam and alef are one glyph
}

TEST_CASE("Hebrew and Arabic run from right to left, numbers within them do not", "[typesetter]") {
  const double yod = ink(drawn("י")), shin = ink(drawn("ש"));
  REQUIRE(shin > 2 * yod);
  const TextCoverage word = drawn("שי");
  const int border = 100 + dejavu().width("י", size);
  CHECK(ink(word, border, 2000) == Approx(shin).epsilon(0.05));
  CHECK(ink(word, 0, border) == Approx(yod).epsilon(0.1));
  const int number = dejavu().width("10", size);  // 1 has less ink than 0
  const TextCoverage line = drawn("ش 10");
  CHECK(ink(line, 100, 100 + number / 2) == Approx(ink(drawn("1"))).epsilon(0.05));
}

TEST_CASE("accents sit on their letters, also where they are characters of their own", "[typesetter]") {
  CHECK(same(drawn("é ç ü"), drawn("e\u0301 c\u0327 u\u0308")));
  const TextCoverage plain = drawn("x"), with = drawn("x\u0302");  // there is no x with a circumflex
  CHECK(dejavu().width("x\u0302", size) == dejavu().width("x", size));
  CHECK(with.top < plain.top);
  CHECK((with.left >= plain.left && with.width <= plain.width));
  CHECK(dejavu().width("ß ẞ œ ł", size) > dejavu().width("s S o l", size));
}

TEST_CASE("letters are kerned", "[typesetter]") {
  CHECK(dejavu().width("AV", size) < dejavu().width("A", size) + dejavu().width("V", size) - 1);
}

TEST_CASE("text is as large as it says", "[typesetter]") {
  CHECK(dejavu().width("", size) == 0);
  CHECK(drawn("").shares.empty());
  CHECK(drawn(" ").shares.empty());
  for (const int pixels : {9, 14, 31, 96, 300}) {
    CAPTURE(pixels);
    const TextCoverage letter = dejavu().coverage("H", pixels, 0, 0, 1000, 1000);
    CHECK(letter.height == Approx(0.729 * pixels).margin(2));  // DejaVu's capitals, on whole pixels
    CHECK(letter.top + letter.height == Approx(0.928 * pixels).margin(1));
    CHECK(dejavu().width("Hamburg", pixels) == Approx(dejavu().width("Hamburg", 1000) * pixels / 1000.0).margin(1));
    CHECK(dejavu().height(pixels) == Approx(1.164 * pixels).margin(1));
  }
}

TEST_CASE("letters are smooth", "[typesetter]") {
  const TextCoverage text = drawn("Oe");
  const auto partly = std::count_if(text.shares.begin(), text.shares.end(), [](int s) { return s > 0 && s < 255; });
  CHECK(partly > 100);
  CHECK(std::count(text.shares.begin(), text.shares.end(), 255) > 100);
}

TEST_CASE("text is clipped at every border of the image", "[typesetter]") {
  const auto at = [](const TextCoverage& text, int x, int y) {
    const bool inside = x >= text.left && x < text.left + text.width && y >= text.top && y < text.top + text.height;
    return inside ? text.shares[size_t(y - text.top) * text.width + (x - text.left)] : 0;
  };
  for (const auto& [x, y] : {std::pair{-30, 5}, {20, 5}, {5, -10}, {5, 25}, {-10000, 0}, {0, 10000}, {500, 0}}) {
    CAPTURE(x, y);
    const TextCoverage clipped = dejavu().coverage("clipped", 20, x, y, 60, 40),
                       whole = dejavu().coverage("clipped", 20, x + 100, y + 100, 260, 240);
    int differences = 0;
    for (int row = 0; row < 40; ++row)
      for (int column = 0; column < 60; ++column)
        differences += at(clipped, column, row) != at(whole, column + 100, row + 100);
    CHECK(differences == 0);
    CHECK((clipped.shares.empty() || (clipped.left >= 0 && clipped.top >= 0 && clipped.left + clipped.width <= 60 &&
                                      clipped.top + clipped.height <= 40)));
  }
}

TEST_CASE("characters that no font has are boxes an em wide, told once", "[typesetter]") {
  std::vector<std::u32string> told;
  Typesetter typesetter("", [&](std::u32string_view characters) { told.emplace_back(characters); });
  CHECK(typesetter.width("红细胞", size) == 3 * size);  // what browsers take for them in the SVG
  CHECK(told.empty());                                  // measuring draws nothing
  const TextCoverage boxes = drawn("红细红", typesetter);
  CHECK(boxes.width > 2 * size);
  CHECK(ink(boxes) == Approx(3 * ink(drawn("红", typesetter))).epsilon(0.05));
  drawn("胞", typesetter);
  CHECK(told == std::vector<std::u32string>{U"红细"});
  const std::string shown = "a\u200db \ufe0f\u202ec";  // joiner, variation selector, direction: not to be seen
  CHECK(typesetter.width(shown, size) == Approx(dejavu().width("ab c", size)).margin(1));
}

TEST_CASE("a font of the user's own comes first, DejaVu for what it lacks", "[typesetter]") {
  for (const char* ending : {"ttf", "otf", "ttc"}) {
    CAPTURE(ending);
    bool told = false;
    Typesetter typesetter(test_data(std::string("fonts/squares.") + ending), [&](auto) { told = true; });
    for (const std::string square : {"A", "红"}) {
      const TextCoverage letter = drawn(square, typesetter);
      CHECK(ink(letter) == size * size);
      CHECK((letter.width == size && letter.height == size));
    }
    CHECK(same(drawn("Bé خلايا", typesetter), drawn("Bé خلايا")));
    CHECK(same(drawn("A\u0301", typesetter), drawn("A\u0301")));  // an accented letter is of one font
    CHECK(typesetter.width("AB红", size) == Approx(2 * size + dejavu().width("B", size)).margin(1));
    CHECK(!told);
    drawn("A细", typesetter);
    CHECK(told);
  }
}

TEST_CASE("fault: a font that is missing or none is refused in one line that names it", "[typesetter][fault]") {
  const TemporaryFolder folder;
  const auto refusal = [](const std::string& font) {
    try {
      Typesetter typesetter(font, nullptr);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Usage);
      CHECK_THAT(error.what(), !Contains("\n") && Catch::StartsWith("FOVEA_FONT: "));
      return std::string(error.what());
    }
    return std::string("taken");
  };
  CHECK_THAT(refusal(folder.path() / "none.ttf"), Contains("none.ttf: no such file; name a TrueType or OpenType file"));
  CHECK_THAT(refusal(folder.path()), Contains(folder.path().native()));
  write_file(folder.path() / "text.ttf", std::string_view("no font at all"));
  write_file(folder.path() / "empty.ttf", std::string_view());
  for (const char* name : {"text.ttf", "empty.ttf"})
    CHECK_THAT(refusal(folder.path() / name),
               Contains(std::string(name) + " is no font; name a TrueType or OpenType file"));
}

TEST_CASE("fault: a damaged font is refused, or drawn without what is damaged", "[typesetter][fault]") {
  const TemporaryFolder folder;
  const auto font = folder.path() / "damaged";
  std::mt19937 random(1);
  for (const char* ending : {"ttf", "otf", "ttc"}) {
    const std::vector<uint8_t> whole = read_file(test_data(std::string("fonts/squares.") + ending));
    for (int round = 0; round < 300; ++round) {
      std::vector<uint8_t> bytes = whole;
      if (round % 3 == 0) bytes.resize(random() % bytes.size());
      for (int i = 0; i < round % 4 && !bytes.empty(); ++i)
        bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
      write_file(font, bytes);
      try {
        Typesetter typesetter(font, nullptr);
        drawn("A红B", typesetter, 20);
      } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::Usage);
      }
    }
  }
}

TEST_CASE("fault: a line has neither ends of lines nor control characters nor bytes that are no UTF-8",
          "[typesetter][fault]") {
  CHECK(one_line("a\nb\r\nc\td\x01\x7f\xc2\x85\xe2\x80\xa8z") == U"a b  c d    z");
  CHECK(one_line("\xff"
                 "a\xc3") == U"\ufffda\ufffd");
  CHECK(one_line("\xef\xbf\xbe\xef\xb7\x90") == U"\ufffd\ufffd");  // no characters, which XML refuses
  CHECK(same(drawn("two\nlines"), drawn("two lines")));
  CHECK(same(drawn("\xff"), drawn("\ufffd")));
  const std::string book(1'000'000, 'w');
  CHECK(one_line(book).size() == longest_line);
  CHECK(one_line(book).back() == U'…');
  CHECK(dejavu().width(book, 10) > 10'000);
}

TEST_CASE("fault: any bytes are drawn", "[typesetter][fault]") {
  std::mt19937 random(7);
  const std::vector<std::string> pieces{"ا",        "ل",  "ש",  "\u202e",     "\u2067", "\u200d", "\u0301",
                                        "\u0e33",   "नि", "ᄀ", "🏳",         "\ufe0f", "\ud7ff", "\xff",
                                        "\xe2\x80", "\n", "a",  "\U000e0001", "\u0600", "1"};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (unsigned i = random() % 12; i > 0; --i)
      text += round % 2 == 0 ? pieces[random() % pieces.size()] : std::string(1, static_cast<char>(random()));
    CAPTURE(printable(text));
    CHECK(drawn(text, dejavu(), 12).width <= 2000);
    CHECK(find_invalid_utf8(dejavu().shortened(text, "", 12, static_cast<int>(random() % 60))) == std::string::npos);
  }
}

TEST_CASE("a text that is too long ends with an ellipsis, and its note stays", "[typesetter]") {
  CHECK(dejavu().shortened("short", " 0.87", size, 1000) == "short 0.87");
  for (const std::string name :
       {"a name that is too long", "اسم طويل جدا لا يتسع له المكان", "红细胞红细胞红细胞红细胞"}) {
    CAPTURE(name);
    for (const int width : {250, 300, 400}) {
      const std::string text = dejavu().shortened(name, " 0.87", size, width);
      CHECK(dejavu().width(text, size) <= width);
      CHECK(dejavu().width(text, size) > width - 2 * size);
      CHECK_THAT(text, Catch::EndsWith("… 0.87") && Catch::StartsWith(name.substr(0, 1)));
    }
  }
  for (int width = 0; width < 300; ++width) {
    const std::string text = dejavu().shortened("e\u0301e\u0301e\u0301e\u0301", "", size, width);
    CHECK((text == "…" || text.find("\u0301…") != std::string::npos || text.find("…") == std::string::npos));
  }
  CHECK(dejavu().shortened("name", " 0.87", size, 5) == "… 0.87");
}

TEST_CASE("the same text has the same pixels, in any thread and after anything else", "[typesetter][determinism]") {
  const std::vector<std::string> texts{"RBC 0.87", "خلايا الدم", "éçß", "红细胞", "AVAV", "Тромбоцит", "nom très long"};
  std::vector<TextCoverage> expected;
  for (const std::string& text : texts) expected.push_back(drawn(text, dejavu(), 17));
  Typesetter fresh("", nullptr);
  std::atomic<int> differences = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 100; ++i) {
        const size_t which = (t + i) % texts.size();
        if (i % 3 == 0) drawn(texts[(which + 1) % texts.size()], fresh, 9 + static_cast<int>(t + i) % 90);
        differences += same(drawn(texts[which], fresh, 17), expected[which]) ? 0 : 1;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(differences == 0);
}

TEST_CASE("what is kept for the next time does not grow without bound", "[typesetter]") {
  struct Value {
    size_t size;
    size_t bytes() const { return size; }
  };
  BoundedCache<std::string, Value> cache(100);
  int made = 0;
  const auto get = [&](const std::string& key, size_t bytes) {
    return cache.get(key, [&] { return ++made, Value{bytes}; });
  };
  const auto first = get("a", 40);
  CHECK((get("a", 1) == first && get("b", 40) != first && made == 2));
  get("c", 40);
  CHECK((cache.bytes() == 40 && first->size == 40));
  get("a", 41);
  CHECK((made == 4 && cache.bytes() == 81));
  get("large", 1000);
  CHECK(cache.bytes() == 1000);
  get("d", 1);
  CHECK(cache.bytes() == 1);
}
