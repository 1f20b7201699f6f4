// The checkpoint format: what is written is read back, what is damaged is refused by name.
#include "engine/safetensors.h"

#include <fstream>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;
using Catch::Contains;

namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string with_header(const std::string& json, size_t payload) {
  const uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + json + std::string(payload, '\1');
}

}  // namespace

TEST_CASE("safetensors round trip keeps values, shapes and metadata", "[safetensors]") {
  const test::TemporaryFolder folder;
  const std::vector<float> a{1.f, -2.5f, 3e30f}, empty;
  const std::vector<int32_t> b{7, -9};
  write_safetensors(folder.path() / "x.safetensors",
                    {{"layer.a", {"F32", {3, 1}, std::as_bytes(std::span(a))}},
                     {"b \"quoted\"", {"I32", {2}, std::as_bytes(std::span(b))}},
                     {"none", {"F32", {0, 4}, {}}}},
                    {{"note", "line\nbreak \\ and \"quotes\""}});
  const SafetensorsFile file(folder.path() / "x.safetensors");
  CHECK(file.read<float>("layer.a") == a);
  CHECK(file.read<int32_t>("b \"quoted\"") == b);
  CHECK(file.at("layer.a").shape == std::vector<int64_t>{3, 1});
  CHECK(file.read<float>("none").empty());
  CHECK(file.metadata().at("note") == "line\nbreak \\ and \"quotes\"");
  CHECK_FALSE(std::filesystem::exists(folder.path() / "x.safetensors.partial"));
  CHECK_THROWS_WITH(file.at("layer.c"), Contains("layer.c"));
}

TEST_CASE("safetensors: a tensor that nobody needs may have any dtype, and is refused where it is read",
          "[safetensors]") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const auto with = [&](const std::string& dtype, size_t bytes) {
    write_text(path, with_header("{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":[2],\"data_offsets\":[0," +
                                     std::to_string(bytes) + "]}}",
                                 bytes));
    return SafetensorsFile(path);
  };
  CHECK(with("U16", 4).read<int64_t>("a") == std::vector<int64_t>{0x101, 0x101});
  CHECK(with("U32", 8).read<int64_t>("a") == std::vector<int64_t>{0x1010101, 0x1010101});
  CHECK(with("U64", 16).read<int64_t>("a")[1] == 0x101010101010101);
  for (const auto& [dtype, bytes] :
       {std::pair<const char*, size_t>{"C64", 16}, {"F8_E4M3", 2}, {"F4", 1}, {"F33", 8}}) {
    CAPTURE(dtype);
    const SafetensorsFile file = with(dtype, bytes);
    CHECK(file.at("a").data.size() == bytes);
    CHECK_THROWS_WITH(file.read<float>("a"), Contains("'a' has the dtype '" + std::string(dtype)));
  }
  CHECK_THROWS_WITH(with("U16", 8), Contains("'a' has 8 bytes, its shape needs 4"));
}

TEST_CASE("safetensors: what no reader would take is not written", "[safetensors]") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  CHECK_THROWS_WITH(write_safetensors(path, {}, {{"name", "caf\xe9"}}), Contains("is not UTF-8"));
  CHECK_THROWS_WITH(write_safetensors(path, {{"caf\xe9", {"F32", {0}, {}}}}, {}), Contains("is not UTF-8"));
  CHECK_THROWS_WITH(write_safetensors(path, {}, {{"long", std::string(100'000'001, 'a')}}), Contains("limit"));
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("fault: files of other kinds are named for what they are", "[safetensors]") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const auto refused = [&](const std::string& bytes, const std::string& words) {
    write_text(path, bytes + std::string(20, ' '));
    CHECK_THROWS_WITH(SafetensorsFile(path), Contains(words) && Contains("x.safetensors: is a"));
  };
  refused("PK\x03\x04 weights/data.pkl", "PyTorch file (zip): save its state_dict");
  refused("PK\x03\x04 hello.txt", "zip archive: unpack it");
  refused("\x80\x02\x8a\x0a", "PyTorch file (pickle)");
  refused("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer");
  refused("\n<!DOCTYPE html>\n<html>", "web page");
  refused(R"({"metadata":{},"weight_map":{"a":"x-1.safetensors"}})", "index of several files");
  refused(R"({"a":1})", "JSON file");
  refused("\x89HDF\r\n\x1a\n", "HDF5");
  refused("\x08\x03\x12\x07pytorch", "ONNX");
  refused("\x08\x0a\x3a\x80\x01", "ONNX");
  refused("\x08\x01\x12\x80\x01", "SavedModel of TensorFlow");
  refused(std::string("\x0a\x30\x0a\x05input\x12\x0bPlaceholder\0", 24), "graph of TensorFlow");
  refused(std::string("\x1c\0\0\0TFL3", 8), "TensorFlow Lite");
  refused(std::string("\0\0\0\0\2\0\0\0\5\0\0\0", 12), "weights file of darknet");
  refused("[net]\nbatch=64\n", "network file of darknet");
  refused("PK\x03\x04 model/code/__torch__.py" + std::string(70000, 'x') + "model/constants.pkl", "TorchScript");
  refused("PK\x03\x04 metadata.json config.json", "Keras file (zip)");
  refused("# a comment\n[train]\nsteps = 3\n", "text file (it begins with \"# a comment\")");
  refused("names:\n  0: cat\n", "text file (it begins with \"names:\")");
  refused("<?xml version=\"1.0\"?>\n<net>", "text file (it begins with \"<?xml version");
  refused("\x80\x05\x95", "PyTorch file (pickle)");
  refused("\x89PNG\r\n\x1a\n", "image (PNG)");
}

TEST_CASE("a header whose length looks like the beginning of another file is read", "[safetensors]") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  for (const uint64_t length : {0x120108, 0x123308, 0x0a300a}) {
    const std::string empty = R"({"__metadata__":{"a":""}})";
    std::string header = R"({"__metadata__":{"a":")" + std::string(length - empty.size(), 'x') + R"("}})";
    std::string text(8, '\0');
    std::memcpy(text.data(), &length, 8);
    write_text(path, text + header);
    CHECK(SafetensorsFile(path).metadata().at("a").size() == length - empty.size());
  }
}

TEST_CASE("fault: a damaged or malicious checkpoint is refused and names the tensor", "[safetensors]") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const std::vector<float> values(1000, 1.f);
  write_safetensors(path, {{"weights", {"F32", {1000}, std::as_bytes(std::span(values))}}}, {});
  const std::string good = read_text(path);

  auto refused = [&](const std::string& bytes, const std::string& words) {
    write_text(path, bytes);
    CHECK_THROWS_WITH(SafetensorsFile(path), Contains(words) && Contains("x.safetensors"));
  };
  std::string flipped = good;
  flipped[good.size() - 77] ^= 4;
  refused(flipped, "'weights' is damaged");
  refused(flipped, "that program has to drop the metadata 'xxh3'");
  refused(good.substr(0, good.size() / 2), "truncated");
  refused(good.substr(0, 5), "too few");
  refused("", "is empty");
  refused(good + "x", "follow the last tensor");
  refused(std::string(8, '\xff') + "{}", "the header claims");
  refused(with_header("[1]", 0), "does not start with");
  refused(with_header("{\"a\":", 0), "not a JSON object");
  refused(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "'a' has a shape larger");
  refused(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 8),
          "'a' has 8 bytes, its shape needs 4");
  refused(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8),
          "overlap or leave a gap at byte 0");
  refused(
      with_header(
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
          4),
      "overlap");
  refused(with_header(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}})", 4),
          "'a' has a shape larger");
  CHECK_THROWS_WITH(SafetensorsFile(folder.path() / "none"), Contains("cannot be opened"));
}

TEST_CASE("every golden file opens", "[safetensors]") {
  for (const char* name : {"focal_loss", "anchors", "narrow_basic.weights", "narrow_gn_giou.golden"})
    CHECK_FALSE(test::golden(name).tensors().empty());
}

TEST_CASE("the bytes of a view come in C order, of any dtype with a known size", "[safetensors]") {
  const std::vector<uint16_t> stored{0, 1, 2, 3, 4, 5};
  const auto bytes = std::as_bytes(std::span(stored));
  const TensorFile file("x", "PyTorch", nullptr,
                        {{"transposed", {"F16", {2, 3}, bytes, {1, 2}}},
                         {"small", {"F8_E4M3", {12}, bytes, {}}},
                         {"odd", {"F9", {12}, bytes, {}}}},
                        {});
  const std::vector<uint16_t> expected{0, 2, 4, 1, 3, 5};
  const auto same = std::as_bytes(std::span(expected));
  const auto taken = file.read_bytes("transposed");
  CHECK(std::equal(taken.begin(), taken.end(), same.begin(), same.end()));
  CHECK(file.read_bytes("small").size() == 12);
  CHECK_THROWS_WITH(file.read_bytes("odd"), Contains("'odd' has the dtype 'F9'"));
  CHECK_THROWS_WITH(file.read_bytes("none"), Contains("'none' is not in it"));
}
