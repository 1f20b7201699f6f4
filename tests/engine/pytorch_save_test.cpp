// Files for PyTorch: what this program reads again. Whether PyTorch does is tried where there is one
// (benchmarks/peers/check_convert.py).
#include "engine/pytorch/save.h"

#include <numeric>

#include "engine/pytorch/archive.h"
#include "engine/pytorch/archive_writer.h"
#include "engine/pytorch/file.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;
using Catch::Contains;

namespace {

struct Saved {
  test::TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "x.pth";
  std::vector<std::byte> memory = std::vector<std::byte>(1 << 16);
  size_t used = 0;
  Saved() {
    for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i * 7 + i / 256);
  }
  StoredTensor tensor(const std::string& dtype, std::vector<int64_t> shape) {
    const auto count = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    const size_t bytes = static_cast<size_t>(count) * bytes_of_dtype(dtype);
    used += bytes;
    return {dtype, std::move(shape), std::span(memory).subspan(used - bytes, bytes), {}};
  }
};

bool same(const std::map<std::string, StoredTensor>& a, const std::map<std::string, StoredTensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    const StoredTensor &x = one.second, &y = other.second;
    return one.first == other.first && x.dtype == y.dtype && x.shape == y.shape && y.strides.empty() &&
           std::equal(x.data.begin(), x.data.end(), y.data.begin(), y.data.end());
  });
}

}  // namespace

TEST_CASE("what is saved for PyTorch is read again to the bit", "[pytorch_save]") {
  Saved saved;
  std::map<std::string, StoredTensor> weights{{"a.weight", saved.tensor("F32", {4, 3, 3, 3})},
                                              {"scalar", saved.tensor("I64", {})},
                                              {"empty", saved.tensor("F32", {0, 3})},
                                              {"größe 'x'\n", saved.tensor("F16", {5})}};
  for (const char* dtype : {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL",
                            "C64", "C128", "F8_E4M3", "F8_E5M2"})
    weights[dtype] = saved.tensor(dtype, {3, 5});
  save_pytorch(saved.path, weights, {}, {});
  const TensorFile file = open_tensor_file(saved.path);
  CHECK(file.format() == "PyTorch (zip)");
  CHECK(file.metadata().empty());
  CHECK(same(weights, file.tensors()));
  const auto* begin = file.at("a.weight").data.data();
  for (const auto& [name, tensor] : file.tensors())  // a place in the file that is a multiple of 64
    if (!tensor.data.empty()) CHECK((tensor.data.data() - begin) % 64 == 0);
}

TEST_CASE("an optimizer's tensors and the metadata come back, and the state dict is alone without them",
          "[pytorch_save]") {
  Saved saved;
  const std::map<std::string, StoredTensor> weights{{"w", saved.tensor("F32", {2, 2})}},
      optimizer{{"optimizer.momentum", saved.tensor("F32", {4})}};
  const std::map<std::string, std::string> metadata{{"fovea.config", "[model]\nclasses = 3 # \"ä\"\n"}};
  save_pytorch(saved.path, weights, optimizer, metadata);
  const TensorFile file = open_tensor_file(saved.path);
  CHECK(file.format() == "PyTorch (zip), its tensors under 'model'");
  CHECK(file.metadata() == metadata);
  auto both = weights;
  both.insert(optimizer.begin(), optimizer.end());
  CHECK(same(both, file.tensors()));
  CHECK(same(optimizer, open_tensor_file(saved.path, "optimizer").tensors()));
}

TEST_CASE("an archive whose numbers are all in 64 bits is read as one of 32", "[pytorch_save]") {
  std::string content(1000, 'x'), file;
  for (const uint64_t widest : {uint64_t{0}, uint64_t{500}, uint64_t{1} << 30}) {
    file.clear();
    pytorch::ArchiveWriter writer(widest);
    writer.add_text("first", "1234");
    writer.add("second", std::as_bytes(std::span(content)));
    for (const auto part : writer.finish()) file.append(reinterpret_cast<const char*>(part.data()), part.size());
    const pytorch::Archive archive(file, "x.pth");
    REQUIRE(archive.entries().size() == 2);
    archive.verify("archive/first");
    archive.verify("archive/second");
    const auto second = archive.at("archive/second");
    CHECK(std::equal(second.begin(), second.end(), std::as_bytes(std::span(content)).begin()));
    CHECK((file.find("PK\x06\x06") != file.npos) == (widest < 1000));  // the end of a file in 64 bits
  }
}

TEST_CASE("fault: what PyTorch could not read is not written", "[pytorch_save]") {
  Saved saved;
  CHECK_THROWS_WITH(save_pytorch(saved.path, {{"odd", saved.tensor("QI8", {2})}}, {}, {}),
                    Contains("x.pth: not written: tensor 'odd' has the dtype 'QI8'"));
  CHECK_THROWS_WITH(save_pytorch(saved.path, {{"a\xff", saved.tensor("F32", {2})}}, {}, {}),
                    Contains("the name 'a\\xff' is not UTF-8"));
  CHECK_FALSE(std::filesystem::exists(saved.path));
}

TEST_CASE("fault: a file of ours whose metadata are none is refused", "[pytorch_save]") {
  for (const char* json : {"[]", "{\"a\":1}", "{"}) {
    pytorch::ArchiveWriter writer;
    writer.add_text("fovea.json", json);
    writer.add_text("data.pkl", "\x80\x02}.");
    std::string file;
    for (const auto part : writer.finish()) file.append(reinterpret_cast<const char*>(part.data()), part.size());
    CHECK_THROWS_WITH(pytorch::read_content(file, "x.pth"),
                      Contains("x.pth: not a readable PyTorch file: its entry 'fovea.json' is damaged"));
  }
}

TEST_CASE("a file whose entries have no checksums at all is read, and one that lacks some is damaged",
          "[pytorch_save]") {
  std::string file;
  pytorch::ArchiveWriter writer;
  writer.add_text("first", "1234");
  writer.add_text("second", "5678");
  for (const auto part : writer.finish()) file.append(reinterpret_cast<const char*>(part.data()), part.size());
  for (size_t at = file.find("PK\x01\x02"); at != file.npos; at = file.find("PK\x01\x02", at + 1)) {
    file.replace(at + 16, 4, 4, '\0');
    const pytorch::Archive archive(file, "x.pth");
    if (archive.entries().at("archive/second").checksum == 0)
      CHECK_NOTHROW(archive.verify("archive/first"));
    else
      CHECK_THROWS_WITH(archive.verify("archive/first"), Contains("its checksum does not match"));
  }
}
