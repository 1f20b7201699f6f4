// Files that PyTorch wrote: every tensor to the bit under the names that a network takes them by, every file that holds
// none refused in one line, and nothing of them executed. tests/data/pth/*.json say what is in them; FOVEA_TEST_PTH
// names other folders of such files.
#include <simdjson.h>

#include <cstdlib>
#include <sstream>

#include "engine/tensor_file.h"
#include "kernels/error.h"
#include "model/weight_names.h"
#include "tests/support/catch.h"
#include "tests/support/sha256.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> folders() {
  std::vector<fs::path> all{fs::path(FOVEA_TEST_DATA) / "pth"};
  if (const char* more = std::getenv("FOVEA_TEST_PTH")) {
    std::istringstream words(more);
    for (std::string word; std::getline(words, word, ':');) all.emplace_back(word);
  }
  return all;
}

std::string dtype_of(std::string_view torch) {
  const std::map<std::string_view, const char*> names{
      {"float64", "F64"}, {"float32", "F32"}, {"float16", "F16"}, {"bfloat16", "BF16"}, {"int64", "I64"},
      {"int32", "I32"},   {"int16", "I16"},   {"int8", "I8"},     {"uint64", "U64"},    {"uint32", "U32"},
      {"uint16", "U16"},  {"uint8", "U8"},    {"bool", "BOOL"}};
  return names.at(torch);
}

using Json = simdjson::dom::element;

void check_tensors(const TensorFile& file, Json expected, size_t more = 0) {
  const auto taken = names_taken(file);
  CHECK(taken.size() == expected.get_object().value().size() + more);
  for (const simdjson::dom::object all = expected.get_object().value(); const auto [key, tensor] : all) {
    const std::string name(key);
    CAPTURE(name);
    REQUIRE(taken.contains(name));
    const StoredTensor& stored = file.at(taken.at(name));
    CHECK(stored.dtype == dtype_of(tensor["dtype"].get_string().value()));
    std::vector<int64_t> shape;
    for (const simdjson::dom::array all = tensor["shape"].get_array().value(); const Json size : all)
      shape.push_back(size.get_int64().value());
    CHECK(stored.shape == shape);
    const std::vector<float> values = file.read<float>(taken.at(name));
    CHECK(sha256(std::as_bytes(std::span(values))) == std::string(tensor["sha256_of_float32"].get_string().value()));
  }
}

std::string refusal_of(const fs::path& path, ErrorKind& kind) {
  try {
    open_tensor_file(path);
  } catch (const Error& error) {
    kind = error.kind();
    return error.what();
  }
  return "";
}

void check_refused(const fs::path& path, const std::string& words) {
  ErrorKind kind{};
  const std::string text = refusal_of(path, kind);
  CAPTURE(text);
  CHECK(kind == ErrorKind::Data);
  CHECK_THAT(text, Catch::StartsWith(path.string() + ": ") && Contains(words));
  CHECK(text.find('\n') == text.npos);
}

void check_file(const fs::path& path, Json expected) {
  std::string_view words;
  bool refused = false;
  Json tensors, under, unreadable;
  if (!expected["refused"].get_string().get(words)) return check_refused(path, std::string(words));
  if (!expected["refused"].get_bool().get(refused) && refused) return check_refused(path, "");
  if (!expected["refused_or_tensors"].get(tensors)) return check_refused(path, "");
  const TensorFile file = open_tensor_file(path);
  size_t more = 0;
  if (!expected["unreadable"].get(unreadable)) {
    for (const simdjson::dom::array all = unreadable.get_array().value(); const Json name : all) {
      ++more;
      CHECK_THROWS_WITH(file.read<float>(std::string(name.get_string().value())), Contains("is not supported"));
    }
  }
  if (!expected["also"].get(unreadable)) more += unreadable.get_array().value().size();
  check_tensors(file, expected["tensors"].value(), more);
  if (!expected["under"].get(under))
    for (const simdjson::dom::object all = under.get_object().value(); const auto [key, other] : all)
      check_tensors(open_tensor_file(path, std::string(key)), other);
}

}  // namespace

TEST_CASE("PyTorch's files are read to the bit or refused by name", "[pytorch]") {
  const fs::path traces[] = {"/tmp/fovea_was_executed", fs::temp_directory_path() / "fovea_was_executed"};
  for (const fs::path& trace : traces) fs::remove(trace);
  int files = 0;
  for (const fs::path& folder : folders())
    for (const char* list : {"expected.json", "made.json"}) {
      simdjson::dom::parser parser;
      Json root;
      if (!fs::exists(folder / list)) continue;
      REQUIRE(!parser.load((folder / list).string()).get(root));
      for (const simdjson::dom::object all = root["files"].get_object().value(); const auto [name, expected] : all) {
        const fs::path path = folder / std::string(name);
        CAPTURE(path);
        check_file(path, expected);
        ++files;
      }
    }
  CHECK(files >= 50);
  for (const fs::path& trace : traces) CHECK_FALSE(fs::exists(trace));
}

TEST_CASE("SHA-256 is that of its standard", "[pytorch]") {
  const std::string abc = "abc";
  CHECK(sha256(std::as_bytes(std::span(abc))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
