#include "tools/text/json_list.h"

#include <fmt/format.h>

#include "tests/support/catch.h"
#include "tests/support/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/threads.h"
#include "tools/text/file.h"

using namespace fovea;
using Catch::Contains;

namespace {

struct ListFile {
  test::TemporaryFolder folder;
  std::vector<int64_t> read(const std::string& text, size_t part_bytes) const {
    write_file(folder.path() / "list.json", text);
    return read_json_list<int64_t>(
        folder.path() / "list.json", "list",
        [](JsonInput& input, simdjson::ondemand::object entry) {
          int64_t id = -1;
          input.for_each_field(entry, [&](std::string_view key, JsonInput::Value value) {
            if (key == "id") id = input.id(value);
          });
          input.need(id >= 0, "id");
          return id;
        },
        {}, part_bytes);
  }
  std::string refusal(const std::string& text, size_t part_bytes) const {
    return test::refusal_of([&] { read(text, part_bytes); });
  }
};

// Entries of which every one holds what looks like the border of two.
std::string tricky_list(int entries) {
  std::string text = " [";
  for (int i = 0; i < entries; ++i)
    text +=
        fmt::format(R"({}{{"list": [{{"id": 1}} , {{"id": 2}}], "text": "\"}},{{", "id": {}, "more": [[{{}},{{}}]]}})",
                    i ? " ,\n" : "", i);
  return text + "]\n";
}

}  // namespace

TEST_CASE("a list read in parts is the list read at once, wherever the parts end", "[json]") {
  const ListFile list;
  const std::string text = tricky_list(40);
  for (size_t part_bytes = 1; part_bytes < 200; part_bytes += 7) {
    CAPTURE(part_bytes);
    const auto ids = list.read(text, part_bytes);
    REQUIRE(ids.size() == 40);
    for (int64_t i = 0; i < 40; ++i) CHECK(ids[i] == i);
  }
  CHECK(list.read(text, size_t{1} << 20).size() == 40);
}

TEST_CASE("determinism: a list read in parts is the same for any number of threads", "[json][determinism]") {
  const ListFile list;
  const std::string text = tricky_list(300);
  test::check_same_bits_for_any_thread_count([&] { return list.read(text, 100); });
}

TEST_CASE("lists of none and of one entry are read", "[json]") {
  const ListFile list;
  const size_t part_bytes = GENERATE(1, 1000);
  CHECK(list.read("[]", part_bytes).empty());
  CHECK(list.read("\n[ ] ", part_bytes).empty());
  CHECK(list.read(R"([{"id": 5}])", part_bytes) == std::vector<int64_t>{5});
}

TEST_CASE("fault: a fault in a list read in parts is reported by the entry's index and byte in the whole file",
          "[json][fault]") {
  const ListFile list;
  const size_t part_bytes = GENERATE(1, 100, 100000);
  CAPTURE(part_bytes);
  const std::string good = tricky_list(30);
  const auto with = [&](const std::string& bad) {
    std::string text = good;
    return text.replace(text.find("\"id\": 17"), 8, bad);
  };
  CHECK_THAT(list.refusal(with("\"id\": 1.5"), part_bytes), Contains("list[17].id: expected an integer"));
  CHECK_THAT(list.refusal(with("\"it\": 17"), part_bytes), Contains("list[17]: has no \"id\""));
  const std::string broken = with("\"id\" 17");
  CHECK_THAT(list.refusal(broken, part_bytes), Contains("list[17]"));
  const std::string cut = good.substr(0, good.find("\"id\": 17"));
  CHECK_THAT(list.refusal(cut, part_bytes), Contains("byte") && Contains("list"));
  CHECK_THAT(list.refusal(good + "]", part_bytes), Contains("byte"));
  CHECK_THAT(list.refusal(R"({"a": 1})", part_bytes), Contains("byte 0"));
  CHECK_THAT(list.refusal("", part_bytes), Contains("is empty"));
  const std::string not_text = with("\"i\xff\": 17");
  CHECK_THAT(list.refusal(not_text, part_bytes), Contains(fmt::format("byte {}: is not UTF-8", not_text.find('\xff'))));
}

TEST_CASE("fault: a list that is not there, or is a folder, is refused by name", "[json][fault]") {
  const test::TemporaryFolder folder;
  const auto read = [](const std::filesystem::path& path) { JsonParts(path, 1).next(); };
  CHECK_THROWS_WITH(read(folder.path() / "none.json"), Contains("none.json: no such file"));
  CHECK_THROWS_WITH(read(folder.path()), Contains("folder"));
}
