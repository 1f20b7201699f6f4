#include "engine/pytorch/save.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "engine/files.h"
#include "engine/printable.h"
#include "engine/pytorch/archive_writer.h"
#include "engine/pytorch/pickle_writer.h"

namespace fovea {
namespace {

using Tensors = std::map<std::string, StoredTensor>;

std::string metadata_json(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata)
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", json_quoted(key), json_quoted(value));
  if (!simdjson::validate_utf8(text))
    throw Error(ErrorKind::Data,
                fmt::format("{}: not written: a name in its metadata is not UTF-8", printable(path.native())));
  return "{" + text + "}\n";
}

class Pickled {
 public:
  explicit Pickled(const std::filesystem::path& path) : path_(path) {}

  void dict(const Tensors& tensors) {
    pickle_.open_dict();
    for (const auto& [name, tensor] : tensors) {
      require(tensor.strides.empty(), "a view with strides is written as if it had none");
      if (!simdjson::validate_utf8(name)) refuse(fmt::format("the name '{}' is not UTF-8", printable(name)));
      pickle_.key(name);
      try {
        pickle_.tensor(tensor, std::to_string(storages_.size()), name);
      } catch (const Error& error) {
        refuse(error.what());
      }
      storages_.push_back(tensor.data);
    }
    pickle_.close_dict();
  }
  pytorch::PickleWriter& pickle() { return pickle_; }
  const std::vector<std::span<const std::byte>>& storages() const { return storages_; }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ErrorKind::Data, fmt::format("{}: not written: {}", printable(path_.native()), why));
  }

  const std::filesystem::path& path_;
  pytorch::PickleWriter pickle_;
  std::vector<std::span<const std::byte>> storages_;
};

}  // namespace

void save_pytorch(const std::filesystem::path& path, const Tensors& weights, const Tensors& optimizer,
                  const std::map<std::string, std::string>& metadata) {
  Pickled pickled(path);
  if (optimizer.empty()) {
    pickled.dict(weights);
  } else {
    pickled.pickle().open_dict();
    pickled.pickle().key(pytorch::kModelKey);
    pickled.dict(weights);
    pickled.pickle().key(pytorch::kOptimizerKey);
    pickled.dict(optimizer);
    pickled.pickle().close_dict();
  }
  pytorch::ArchiveWriter archive;
  // First, so that the file's head says who made it.
  if (!metadata.empty()) archive.add_text(pytorch::kMetadataEntry, metadata_json(path, metadata));
  archive.add_text("data.pkl", pickled.pickle().finish());
  archive.add_text("byteorder", "little");
  for (size_t i = 0; i < pickled.storages().size(); ++i) archive.add(fmt::format("data/{}", i), pickled.storages()[i]);
  archive.add_text("version", "3\n");  // of PyTorch's form
  write_file_atomically(path, archive.finish());
}

}  // namespace fovea
