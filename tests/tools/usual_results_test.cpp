// The fast reader of results against the general one, and against the standard library's numbers.
#include "tools/eval/usual_results.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "tests/support/catch.h"
#include "tests/support/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tools/eval/plain_results.h"
#include "tools/text/file.h"
#include "tools/text/json_number.h"
#include "tools/text/tasks.h"

using namespace fovea;
using fovea::test::TemporaryFolder;

namespace {

// The number that `text` begins with; none where it is refused.
std::optional<double> number_in(const std::string& text) {
  const std::string padded = text + "," + std::string(16, '\0');
  const char* at = padded.c_str();
  double number = 0;
  if (!read_json_number(at, number) || at != padded.c_str() + text.size()) return std::nullopt;
  return number;
}

bool same_bits(double a, double b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

bool same(const Detections& a, const Detections& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Detection& x, const Detection& y) {
    return x.image_id == y.image_id && x.category_id == y.category_id && same_bits(x.x, y.x) && same_bits(x.y, y.y) &&
           same_bits(x.w, y.w) && same_bits(x.h, y.h) && same_bits(x.score, y.score);
  });
}

struct ResultsFolder {
  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "dt.json";

  std::optional<Detections> usual(const std::string& text, size_t workers = 2) const {
    write_file(path, text);
    return read_usual_results(path, workers);
  }
  // As an object with the list, which only the general reader takes.
  Detections general(const std::string& list) const {
    write_file(path, "{\"annotations\": " + list + "}");
    REQUIRE_FALSE(read_usual_results(path, 2));
    return read_plain_results(path, 2);
  }
};

using Random = std::mt19937_64;

std::string random_digits(Random& random, size_t count) {
  std::string digits;
  for (size_t i = 0; i < count; ++i) digits += static_cast<char>('0' + random() % 10);
  return digits;
}

std::string random_number(Random& random) {
  switch (random() % 5) {
    case 0:
      return fmt::format("{}", static_cast<double>(random() >> 11) * 0x1p-53 * 640);
    case 1:
      return fmt::format("{:.3f}", static_cast<double>(random() >> 11) * 0x1p-53 * 640);
    case 2:
      return fmt::format("{}e{}", 1 + random() % 9, static_cast<int>(random() % 40) - 20);
    case 3:
      return "-" + std::to_string(random() % 100);
    default:
      return fmt::format("{}.{}", random() % 10, random_digits(random, 1 + random() % 24));
  }
}

// An entry of the usual form: keys in any order, white space, other numbers.
std::string random_entry(Random& random) {
  const auto space = [&] { return std::string(random() % 3 == 0 ? " \n" : ""); };
  std::vector<std::string> fields{
      fmt::format("\"image_id\":{}{}", space(), random() % 100000),
      fmt::format("\"category_id\"{}:{}", space(), static_cast<int>(random() % 100) - 3),
      fmt::format("\"bbox\":[{}{},{}{}, {},{}]", space(), random_number(random), random_number(random), space(),
                  random_number(random), random_number(random)),
      "\"score\": " + random_number(random)};
  if (random() % 4 == 0) fields.push_back(fmt::format("\"id\": {}", random() % 1000));
  if (random() % 4 == 0) std::shuffle(fields.begin(), fields.end(), random);
  std::string entry = "{" + space();
  for (const std::string& field : fields) entry += (entry.back() == '{' || &field == fields.data() ? "" : ",") + field;
  return entry + space() + "}";
}

std::string random_list(Random& random, int count) {
  std::string list = "[";
  for (int i = 0; i < count; ++i) list += (i > 0 ? ", " : "") + random_entry(random);
  return list + "]";
}

const std::string kEntry = R"({"image_id": 1, "category_id": 2, "bbox": [1, 2.5, 3, 4], "score": 0.5})";

}  // namespace

TEST_CASE("numbers of JSON round as the standard library's", "[usual_results]") {
  Random random(1);
  for (int i = 0; i < 200000; ++i) {
    std::string text = random() % 8 == 0 ? "-" : "";
    text += random() % 4 == 0 ? "0" : std::to_string(1 + random() % 9) + random_digits(random, random() % 19);
    if (random() % 4 != 0) text += "." + random_digits(random, 1 + random() % 22);
    if (random() % 8 == 0) text += fmt::format("{}{}", random() % 2 ? "e-" : "E+", random() % 30);
    const auto number = number_in(text);
    INFO(text);
    REQUIRE(number);
    REQUIRE(same_bits(*number, std::strtod(text.c_str(), nullptr)));
  }
}

TEST_CASE("numbers of JSON at the edges of what doubles hold", "[usual_results]") {
  for (const char* text : {"0",
                           "-0",
                           "0.0",
                           "-0.0",
                           "9007199254740992",
                           "9007199254740993",
                           "9007199254740993.0",
                           "9007199254740992.5",
                           "9007199254740994.999",
                           "18446744073709551615",
                           "9999999999999999999",
                           "0.9999999999999999999",
                           "1.7976931348623157e308",
                           "4.9e-324",
                           "2.2250738585072011e-308",
                           "0.1000000000000000055",
                           "123456789.12345678",
                           "12345678",
                           "123456789",
                           "1234567.8",
                           "0.00000001",
                           "9.5e-7",
                           "1E5",
                           "4503599627370497.5",
                           "4503599627370496.50000",
                           "0.30000000000000004",
                           "1.0000000000000001110223024625156541",
                           "0e0"}) {
    CAPTURE(text);
    const auto number = number_in(text);
    REQUIRE(number);
    CHECK(same_bits(*number, std::strtod(text, nullptr)));
  }
  for (const char* text :
       {"",    "-",   "01",       "-01",  "00",    "1.",     ".5",    "+1",     "1e", "1e+",   "1.e5",
        "--1", "NaN", "Infinity", "0x10", "1e400", "-1e400", "1_000", "1e-400", "٣",  "\"1\"", "1 2"})
    CHECK_FALSE(number_in(text));
}

TEST_CASE("numbers of more digits than 64 bits hold are read to the last one", "[usual_results][json_input]") {
  const ResultsFolder folder;
  for (const char* digits : {"0.844808384513575755108", "7.533153857836807323608", "123456789012345678901234.5",
                             "0.00000000000000000000012345678901234567890123"}) {
    CAPTURE(digits);
    std::string entry = kEntry;
    entry.replace(entry.find("0.5"), 3, digits);
    const double expected = std::strtod(digits, nullptr);
    const auto usual = folder.usual("[" + entry + "]");
    REQUIRE(usual);
    CHECK(same_bits((*usual)[0].score, expected));
    CHECK(same_bits(folder.general("[" + entry + "]")[0].score, expected));
  }
}

TEST_CASE("usual results read as the general reader reads them", "[usual_results]") {
  const ResultsFolder folder;
  Random random(2);
  for (int i = 0; i < 60; ++i) {
    const std::string list = random_list(random, 1 + static_cast<int>(random() % 40));
    CAPTURE(list);
    const auto usual = folder.usual(list);
    REQUIRE(usual);
    REQUIRE(same(*usual, folder.general(list)));
  }
}

TEST_CASE("usual results of many parts, with any number of threads", "[usual_results][determinism]") {
  const ResultsFolder folder;
  Random random(3);
  const std::string list = random_list(random, 20000) + "\n";
  REQUIRE(list.size() > size_t{3} << 19);
  const Detections expected = folder.general(list);
  REQUIRE(expected.size() == 20000);
  for (const size_t workers : {1, 2, 5}) {
    const auto usual = folder.usual(list, workers);
    REQUIRE(usual);
    CHECK(same(*usual, expected));
  }
  // Something else at any place gives all of it to the general reader, whose words they are.
  const size_t middle = list.find("\"score\"", list.size() / 2);
  std::string odd = list;
  odd.replace(middle, 7, "\"scorn\"");
  CHECK_FALSE(folder.usual(odd));
  CHECK_THAT(test::refusal_of([&] { read_plain_results(folder.path, 2); }), Catch::Contains("has no \"score\""));
  CHECK_FALSE(folder.usual(list.substr(0, list.size() - 2)));
  CHECK_FALSE(folder.usual(list.substr(0, middle)));
}

TEST_CASE("results of another form are left to the general reader", "[usual_results]") {
  const ResultsFolder folder;
  REQUIRE(folder.usual("[" + kEntry + "]"));
  REQUIRE(folder.usual(" [ " + kEntry + " ,\t" + kEntry + " ] \r\n"));
  const auto with = [](const std::string& from, const std::string& to) {
    std::string entry = kEntry;
    entry.replace(entry.find(from), from.size(), to);
    return "[" + kEntry + ", " + entry + "]";
  };
  for (const std::string& text : {std::string(""),
                                  std::string("[]"),
                                  std::string("["),
                                  "[" + kEntry,
                                  "[" + kEntry + ",]",
                                  "[" + kEntry + "]]",
                                  "[" + kEntry + kEntry + "]",
                                  kEntry,
                                  kEntry + "\n" + kEntry,
                                  "[" + kEntry + "] x",
                                  "[" + kEntry + "]" + std::string(1, '\0') + "]",
                                  "[" + kEntry + std::string(1, '\0') + "," + kEntry + "]",
                                  "\xEF\xBB\xBF[" + kEntry + "]",
                                  with("1,", "1.0,"),
                                  with("1,", "\"1\","),
                                  with("1,", "9007199254740993,"),
                                  with("1,", "01,"),
                                  with("1,", "1e1,"),
                                  with("2,", "\"cat\","),
                                  with("[1,", "[[1],"),
                                  with(", 4]", "]"),
                                  with(", 4]", ", 4, 5]"),
                                  with("4]", "NaN]"),
                                  with("0.5", "null"),
                                  with("0.5", "1e999"),
                                  with("0.5", "0.5.1"),
                                  with("\"score\"", "\"sc\\u006fre\""),
                                  with("\"score\": 0.5", "\"score\": 0.5, \"score\": 0.25"),
                                  with("\"image_id\"", "\"file_name\": \"a.jpg\", \"image_id\""),
                                  with("\"image_id\"", "\"more\": {\"image_id\": 5}, \"image_id\""),
                                  with("\"image_id\"", "\"segmentation\": [], \"image_id\""),
                                  with("\"bbox\"", "'bbox'"),
                                  with("\"bbox\"", "bbox")}) {
    CAPTURE(text);
    CHECK_FALSE(folder.usual(text));
  }
  CHECK_FALSE(read_usual_results(folder.folder.path() / "none", 2));
  CHECK_FALSE(read_usual_results(folder.folder.path(), 2));
  // Of a key that is there twice the last value counts, for the general reader.
  CHECK(folder.general(with("\"score\": 0.5", "\"score\": 0.5, \"score\": 0.25"))[1].score == 0.25);
}

TEST_CASE("of what tasks throw the first is thrown on", "[tasks]") {
  for (const size_t workers : {1, 2, 7}) {
    std::vector<int> done(100);
    run_tasks(done.size(), workers, [&](size_t task, size_t worker) { done[task] += worker < workers ? 1 : 100; });
    CHECK(done == std::vector<int>(100, 1));
    const auto fail = [&] {
      run_tasks(100, workers, [&](size_t task, size_t) {
        if (task % 10 == 3) throw Error(ErrorKind::Data, fmt::format("task {}", task));
      });
    };
    CHECK(test::refusal_of(fail) == "task 3");
  }
  run_tasks(0, 4, [](size_t, size_t) { FAIL(); });
}
