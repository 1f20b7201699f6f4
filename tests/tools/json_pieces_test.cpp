#include "tools/text/json_pieces.h"

#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tools/cli/process_memory.h"
#include "tools/data/formats/coco_json.h"
#include "tools/text/file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

TEST_CASE("a JSON read in pieces of any size gives the same lists, and the same bytes in complaints", "[json]") {
  const std::string text =
      R"( {"info": {"text": "a \"]} ü", "list": [1, [2]]}, "images": [], "list": [ {"v": "x,]"} , {"v": "äöü\\"},
          {"v": "3", "more": [1, {"a": [2]}]}  ], "rest": null} )";
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.json";
  const auto read = [&](size_t piece) {
    std::vector<std::string> values;
    JsonPieces pieces(path, piece);
    pieces.for_each_entry([](std::string_view key) { return key == "list" || key == "images"; },
                          [&](JsonInput& input, const std::string&, JsonInput::Value entry) {
                            input.for_each_field(entry.get_object(), [&](std::string_view key, JsonInput::Value value) {
                              if (key == "v") values.push_back(input.text(value));
                            });
                          });
    return values;
  };
  for (size_t piece = 1; piece < text.size() + 2; ++piece) {
    CAPTURE(piece);
    write_file(path, text);
    CHECK(read(piece) == std::vector<std::string>{"x,]", "äöü\\", "3"});
  }
  struct Broken {
    std::string text, words;
  };
  for (const auto& [broken, words] :
       {Broken{R"({"list": [{"v": "1"}, {"v": 2}]})", "list[1].v: expected a string, found 2"},
        Broken{R"({"list": [{"v": "1"} {"v": "2"}]})", "list[1]: byte 21: "},
        Broken{R"({"list": [{"v": "1"},]})", "byte"},
        Broken{R"({"list": [{"v": "1"}})", "list: byte 20: expected ',' or ']'"},
        Broken{"{\"list\": [{\"v\": \"\xC3\"}]}", "byte 17: is not UTF-8"}, Broken{R"({"list": 1 2})", "list: byte 9"},
        Broken{R"({"a": })", "a: byte 6: a value is missing"}, Broken{R"({"a": 1} x)", "byte 9: something follows"},
        Broken{R"({"a" 1})", "byte"}, Broken{R"({a: 1})", "byte 1: expected a key"}}) {
    for (const size_t piece : {1, 2, 3, 5, 100}) {
      CAPTURE(broken, piece);
      write_file(path, broken);
      CHECK_THROWS_WITH(read(piece), Contains(words));
    }
  }
}

TEST_CASE("a large annotation file passes through a bounded piece of memory", "[json]") {
  const TemporaryFolder folder;
  constexpr int annotations = 150;
  const std::string polygon(1 << 20, '1');  // a mask that nobody reads
  {
    std::ofstream file(folder.path() / "big.json");
    file << R"({"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}], "annotations": [)";
    for (int i = 1; i <= annotations; ++i)
      file << (i > 1 ? "," : "") << R"({"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": [)"
           << polygon << R"(], "id": )" << i << "}";
    file << R"(], "categories": [{"id": 1, "name": "cat"}]})";
  }
  const size_t before = peak_rss();
  CHECK(read_coco_file(folder.path() / "big.json").objects.size() == annotations);
  // Two pieces of 4 MB, one copied for simdjson, its index of 4 bytes a byte; the file has 150 MB.
  CHECK(peak_rss() - before < size_t{50} << 20);
}
